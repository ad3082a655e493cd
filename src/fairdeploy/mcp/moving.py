"""The one tool that moves something: a plan that a person has read and approved, exactly it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import IO, TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from fairdeploy.configuration.session import opened
from fairdeploy.errors import BackendError, Refused
from fairdeploy.mcp.answers import Started, clipped
from fairdeploy.mcp.approvals import Approvals

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.configuration.file import Configuration
    from fairdeploy.configuration.session import Session

__all__ = ["apply_tool"]

_LOOK_S: Final = 0.2
_BEGIN_S: Final = 60.0
"""Time for a rollout to begin: validation comes before it."""
_WORDS: Final = 2_000


def apply_tool(configuration: Configuration) -> Callable[..., Awaitable[Started]]:
    """Return the tool for a configuration."""
    approvals = Approvals(configuration.file)
    running: list[subprocess.Popen[bytes]] = []  # so that whoever is dead is buried

    async def apply_plan(digest: str) -> Started:
        """Run a plan that a person has approved, and return as soon as it has begun.

        It goes on in a process of its own, also if this server ends; follow it with rollout. An approval is good for
        one run, within an hour, and only while the target is as it was when the plan was made.
        """
        _, target = await approvals.proposed(digest)
        if target not in configuration.assistants.apply:
            raise Refused(f"plans for {target!r} are not applied from here: the operator has not allowed it")
        approval = approvals.use(digest, target)
        running[:] = [each for each in running if each.poll() is None]
        log = approvals.path(digest, "log")
        running.append(
            await anyio.to_thread.run_sync(
                _deploying, configuration.file, target, approvals.path(digest), log
            )
        )
        async with opened(configuration, target, guard=False) as session:
            rollout = await _begun(session, digest, approval.at_ms, running[-1], log)
        return Started(rollout, approval.by)

    return apply_plan


def _deploying(file: Path, target: str, plan: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return _started(file.absolute(), target, plan, out)


def _started(file: Path, target: str, plan: Path, out: IO[bytes]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "fairdeploy", "deploy", target, "--plan", str(plan), "--config", str(file)]
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=file.parent, start_new_session=True
    )


async def _begun(
    session: Session, digest: str, since_ms: int, process: subprocess.Popen[bytes], log: Path
) -> str:
    with anyio.move_on_after(_BEGIN_S):
        while True:
            ended = process.poll() is not None
            for info in reversed(await session.deployer.history(session.target)):
                if info.plan.hash == digest and info.began_ms >= since_ms:
                    return info.id
            if ended:
                said = await anyio.Path(log).read_text(encoding="utf-8", errors="replace")
                raise Refused(f"it did not begin: {clipped(_last(said), _WORDS)}")
            await anyio.sleep(_LOOK_S)
    raise BackendError(f"it has not begun within {_BEGIN_S:g} s: ask history")


def _last(said: str) -> str:
    """Return what the program said of its own refusal."""
    return "\n".join(line for line in said.splitlines() if line.startswith("fairdeploy: ")) or "see the log"
