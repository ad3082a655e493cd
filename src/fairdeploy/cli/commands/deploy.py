"""Plan and deploy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fairdeploy.cli.confirming import confirmed
from fairdeploy.cli.ending import ended
from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.shared import DEFAULTS, Shared, SharedOptions
from fairdeploy.cli.telling import tell
from fairdeploy.configuration.file import released
from fairdeploy.configuration.plan_file import read_plan, write_plan
from fairdeploy.configuration.session import Session, opened
from fairdeploy.errors import StalePlan
from fairdeploy.model.canonical import plain
from fairdeploy.model.plan_text import summary

if TYPE_CHECKING:
    from fairdeploy.model import Plan

__all__ = ["deploy", "plan"]

_Version = Annotated[str | None, Parameter(name="--version")]


async def plan(
    target: str,
    *,
    version: _Version = None,
    image: str | None = None,
    strategy: str | None = None,
    out: Path | None = None,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Show what a deployment would do. Changes nothing.

    Args:
        target: Name of the target in the configuration.
        version: Version to deploy; default: the one in the configuration.
        image: Image to deploy; default: the one in the configuration.
        strategy: Name of the strategy in the configuration.
        out: Write the plan to this file: deploy --plan runs exactly it, after somebody has read it.
    """
    async with opened(shared.configuration(), target, guard=False) as session:
        made = await _planned(session, version, image, strategy)
    if out is not None:
        await write_plan(out, made)
    document = {"hash": made.hash, "changes": made.changes, "plan": plain(made)}
    shared.out.result(document, made, kind="plan")
    return ExitCode.OK


async def deploy(
    target: str,
    *,
    version: _Version = None,
    image: str | None = None,
    strategy: str | None = None,
    plan: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False,
    supersede: Annotated[bool, Parameter(negative="")] = False,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Deploy a version, and watch it to its end.

    Args:
        target: Name of the target in the configuration.
        version: Version to deploy; default: the one in the configuration.
        image: Image to deploy; default: the one in the configuration.
        strategy: Name of the strategy in the configuration.
        plan: Run a plan that was written by `plan --out`; it needs no --yes.
        dry_run: Show the plan, look whether it can work, and change nothing.
        yes: Agree beforehand.
        supersede: Send back a rollout that is under way, and take its place.
    """
    async with opened(shared.configuration(), target) as session:
        made = await read_plan(plan) if plan else await _planned(session, version, image, strategy)
        if not made.changes:
            shared.out.result({"outcome": "unchanged", "plan": made.hash}, f"{target}: nothing to do")
            return ExitCode.OK
        read_already = yes or plan is not None
        shared.out.say(summary(made) if read_already and not (dry_run or shared.verbose) else str(made))
        if dry_run:
            shared.out.result(
                {"outcome": "planned", "hash": made.hash, "plan": plain(made)},
                "nothing has changed (dry run)",
            )
            return ExitCode.OK
        command = f"fairdeploy deploy {target}" + (f" --version {version}" if version else "")
        await confirmed(f"This changes {target!r}", command, shared.out, yes=read_already)
        return await _run(session, made, shared, supersede=supersede)


async def _run(session: Session, made: Plan, shared: Shared, *, supersede: bool) -> ExitCode:
    output = shared.out
    output.begin()
    try:
        async with session.deployer.run(made, on_conflict="supersede" if supersede else "refuse") as rollout:
            output.say(f"rollout {rollout.id}")
            result = await tell(rollout, output)
    except StalePlan as error:
        raise StalePlan(f"{error}: plan again, and look at what has changed since") from error
    return await ended(session, result, output)


async def _planned(session: Session, version: str | None, image: str | None, strategy: str | None) -> Plan:
    how = session.configuration.strategy(strategy or session.deployable.strategy)
    what = released(session.deployable, version=version, image=image)
    return await session.deployer.plan(session.target, what, how)
