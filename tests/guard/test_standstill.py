"""A deploying program that is stopped with a lock in its hands: the guard takes over all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from fairdeploy.model import Outcome
from fairdeploy.system import Lock
from tests.backends.local import until
from tests.contracts import source
from tests.guard.test_local import a_guard, ending, serves_alone
from tests.proof.deployment import STRATEGIES
from tests.proof.stage import Stage, application, stage
from tests.standstill import stands_still, stopped_holding

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]


def locks(on: Stage) -> dict[str, Lock]:
    """Return what a deploying program holds for moments."""
    folder = on.folder
    return {
        "journal": Lock(folder / "journal.sqlite-shm", "POSIX", 120, 122),
        "target": Lock(folder / "targets" / "shop@production" / "lock", "FLOCK"),
        "router": Lock(folder / "router" / "shop" / ".production.lock", "FLOCK"),
    }


@pytest.mark.parametrize(
    "what",
    [
        "target",
        pytest.param("journal", marks=pytest.mark.proof),
        pytest.param("router", marks=pytest.mark.proof),
    ],
)
async def test_a_lock_that_a_stopped_deployer_holds_does_not_block_the_guard(
    what: str, tmp_path: Path
) -> None:
    """All traffic goes back to stable while it stands still; it wakes, is refused, and nothing changes."""
    async with stage(tmp_path / "deployments") as on:
        await on.deployer.deploy(on.target, application("v0"), STRATEGIES["blue_green"])
        held = locks(on)[what]
        argv = [sys.executable, "-m", "tests.proof.deployment", str(on.folder), str(on.target.endpoint), "v1"]
        async with await anyio.open_process(
            [*argv, "long canary", "", "2"], cwd=source.ROOT, stdout=subprocess.DEVNULL
        ) as program:
            try:
                await until(lambda: on.deployer.history(on.target), lambda seen: len(seen) == 2)
                await stopped_holding(program.pid, held)
                async with a_guard(on):
                    assert await ending(on) is Outcome.ROLLED_BACK
                    assert await stands_still(program.pid)
                assert await serves_alone(on, "v0")
                program.send_signal(signal.SIGCONT)
                with anyio.fail_after(60):
                    assert await program.wait() == 0
                assert await serves_alone(on, "v0")
            finally:
                if program.returncode is None:
                    program.kill()
