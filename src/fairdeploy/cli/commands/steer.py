"""Steer the rollout under way, from any terminal: whichever program drives it obeys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fairdeploy.cli.confirming import confirmed
from fairdeploy.cli.ending import ended
from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.shared import DEFAULTS, Shared, SharedOptions
from fairdeploy.configuration.session import Session, opened
from fairdeploy.errors import Refused
from fairdeploy.model import Await, Intended, Settled

if TYPE_CHECKING:
    from fairdeploy.engine.rollout import Rollout
    from fairdeploy.protocols import Journal

__all__ = ["abort", "approve", "pause", "promote", "resume"]


async def approve(target: str, *, reason: str = "", shared: SharedOptions = DEFAULTS) -> ExitCode:
    """Say yes to the rollout that waits for it.

    Args:
        target: Name of the target in the configuration.
        reason: For the record.
    """

    async def send(session: Session, rollout: Rollout) -> None:
        if not await _waits(session.backend.journal, rollout):
            raise Refused(f"rollout {rollout.id!r} waits for nobody now: promote ends what it does, early")
        await rollout.promote(reason=reason or "approved")

    return await _sent(target, "approved", send, shared)


async def promote(
    target: str,
    *,
    full: Annotated[bool, Parameter(negative="")] = False,
    reason: str = "",
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """End the present watching, pause or approval early. A verdict that convicts sends it back even so.

    Args:
        target: Name of the target in the configuration.
        full: Also every one that is still ahead.
        reason: For the record.
        yes: Agree beforehand.
    """

    async def send(_: Session, rollout: Rollout) -> None:
        if full:
            what = f"This gives {target!r} to the new version without any further watching"
            await confirmed(what, f"fairdeploy promote {target} --full", shared.out, yes=yes, name=target)
        await rollout.promote(full=full, reason=reason)

    return await _sent(target, "promoted in full" if full else "promoted", send, shared)


async def pause(target: str, *, reason: str = "", shared: SharedOptions = DEFAULTS) -> ExitCode:
    """Stop a rollout before its next step; what watches goes on watching.

    Args:
        target: Name of the target in the configuration.
        reason: For the record.
    """
    return await _sent(target, "paused", lambda _, rollout: rollout.pause(reason), shared)


async def resume(target: str, *, reason: str = "", shared: SharedOptions = DEFAULTS) -> ExitCode:
    """End a pause.

    Args:
        target: Name of the target in the configuration.
        reason: For the record.
    """
    return await _sent(target, "resumed", lambda _, rollout: rollout.resume(reason), shared)


async def abort(target: str, *, reason: str = "", shared: SharedOptions = DEFAULTS) -> ExitCode:
    """Send the rollout under way back, and wait until it is back.

    Args:
        target: Name of the target in the configuration.
        reason: For the record.
    """
    async with opened(shared.configuration(), target) as session:
        await session.under_way()
        result = await session.deployer.abort(session.target, reason=reason)
        if result is None:
            raise Refused(
                f"the rollout of {target!r} has just ended by itself: fairdeploy watch {target} says how"
            )
        await ended(session, result, shared.out)
    return ExitCode.OK if str(result.outcome) in {"aborted", "rolled_back"} else ExitCode.NEEDS_A_PERSON


async def _sent(
    target: str, word: str, send: Callable[[Session, Rollout], Awaitable[None]], shared: Shared
) -> ExitCode:
    async with opened(shared.configuration(), target, guard=False) as session:
        rollout = await session.under_way()
        await send(session, rollout)
    shared.out.result(
        {"rollout": rollout.id, "sent": word}, f"{target}: {word}; fairdeploy watch {target} follows it"
    )
    return ExitCode.OK


async def _waits(journal: Journal, rollout: Rollout) -> bool:
    """Whether the step that is under way is an approval."""
    waiting = {step.id for step in rollout.plan.steps if isinstance(step, Await)}
    now: str | None = None
    for event in await journal.read(rollout.id):
        match event.record:
            case Intended(step=step, phase="do") if step in waiting:
                now = step
            case Settled(step=step) if step == now:
                now = None
            case _:
                continue
    return now is not None
