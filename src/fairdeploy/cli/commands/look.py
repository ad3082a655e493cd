"""Look: at a rollout, at what serves, at what was, at health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import anyio
from cyclopts import Parameter

from fairdeploy.cli.ending import ended
from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.output import document
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.cli.telling import tell
from fairdeploy.configuration.file import released
from fairdeploy.configuration.session import opened
from fairdeploy.errors import InvalidInput
from fairdeploy.health import HealthChecker
from fairdeploy.preflight.validator import DeploymentValidator

if TYPE_CHECKING:
    from fairdeploy.health import HealthRule
    from fairdeploy.model.check import Asked
    from fairdeploy.protocols import HealthCheck, RolloutInfo

__all__ = ["health", "history", "status", "validate", "watch"]


async def watch(
    target: str,
    *,
    rollout: str | None = None,
    timeout: Annotated[float | None, Parameter(name="--timeout")] = None,  # noqa: ASYNC109 -- an option of the command
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Follow a rollout to its end, and exit as it ended.

    Args:
        target: Name of the target in the configuration.
        rollout: Its id; default: the one under way, else the last.
        timeout: Seconds to wait for the end; then exit with 6. Default: as long as it takes.
    """
    output = shared.out
    async with opened(shared.configuration(), target, guard=False) as session:
        followed = await session.latest(rollout)
        output.begin()
        with anyio.move_on_after(timeout):
            return await ended(session, await tell(followed, output), output)
        output.result(
            {"rollout": followed.id, "outcome": None}, f"{target}: rollout {followed.id} is still under way"
        )
    return ExitCode.RUNNING


async def status(target: str, *, shared: SharedOptions = DEFAULTS) -> ExitCode:
    """Show what serves now.

    Args:
        target: Name of the target in the configuration.
    """
    async with opened(shared.configuration(), target, guard=False) as session:
        now = await session.deployer.status(session.target)
    running = None if now.rollout is None else {"id": now.rollout.id, "strategy": now.rollout.plan.strategy}
    serving = {"target": now.target.id, "deployment": now.deployment, "rollout": running}
    shared.out.result(serving, now, kind="status")
    return ExitCode.OK


async def history(
    target: str,
    *,
    limit: Annotated[int, Parameter(alias="-n")] = 20,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """List the rollouts of a target, oldest first.

    Args:
        target: Name of the target in the configuration.
        limit: How many of the last ones.
    """
    if limit < 1:
        raise InvalidInput(f"limit must be at least 1, not {limit!r}")
    async with opened(shared.configuration(), target, guard=False) as session:
        known = await session.deployer.history(session.target)
    rows = [_row(info) for info in known[-limit:]]
    lines = [
        f"{row['rollout']}  {row['strategy']:<14} {row['outcome'] or 'under way':<16} {row['revision']}"
        for row in rows
    ]
    shared.out.result(rows, "\n".join(lines) or f"{target}: nothing was ever deployed", kind="history")
    return ExitCode.OK


async def health(target: str, *, shared: SharedOptions = DEFAULTS) -> ExitCode:
    """Ask a target's checks once. Exits with 4 if a required one does not pass.

    Args:
        target: Name of the target in the configuration.
    """
    async with opened(shared.configuration(), target, guard=False) as session:
        names = session.deployable.checks
        if not names:
            raise InvalidInput(
                f"target {target!r} has no checks: checks = [...] in its table, names of [checks]"
            )
        # What `check` finds is of the file or of the module, both proved when they were read.
        checks = {name: cast("Asked | HealthCheck | HealthRule", session.check(name)) for name in names}
        found = await HealthChecker(
            checks, target=session.target, backend=session.backend
        ).check_deployment_health()
    shared.out.result(document(found), found, kind="health")
    return ExitCode.OK if found.healthy else ExitCode.NEEDS_A_PERSON


async def validate(
    target: str,
    *,
    version: Annotated[str | None, Parameter(name="--version")] = None,
    image: str | None = None,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Look whether a deployment can work. Changes nothing; exits with 5 if it cannot.

    Args:
        target: Name of the target in the configuration.
        version: Version to deploy; default: the one in the configuration.
        image: Image to deploy; default: the one in the configuration.
    """
    async with opened(shared.configuration(), target, guard=False) as session:
        release = released(session.deployable, version=version, image=image)
        found = await DeploymentValidator(session.backend, session.target, release).validate_deployment()
    shared.out.result({**document(found), "refused": found.refused}, found, kind="validation")
    return ExitCode.REFUSED if found.refused else ExitCode.OK


def _row(info: RolloutInfo) -> dict[str, object]:
    result = info.result
    stable = {base.stable for base in info.plan.bases}
    new = sorted(set(info.plan.releases) - stable) or sorted(info.plan.releases)
    return {
        "rollout": info.id,
        "strategy": info.plan.strategy,
        "outcome": None if result is None else str(result.outcome),
        "reason": "" if result is None else result.reason,
        "revision": ", ".join(new),
        "seconds": None if result is None else result.seconds,
    }
