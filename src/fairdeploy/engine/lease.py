"""Getting the right to act on a plan's targets, whoever holds them now."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import anyio

from fairdeploy.engine.feed import feed_of
from fairdeploy.engine.holder import this_holder, who
from fairdeploy.engine.rollout import Rollout
from fairdeploy.errors import InvalidInput
from fairdeploy.model import Command, Plan, RolloutId, TargetId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.model import RolloutResult
    from fairdeploy.protocols import Clock, Journal, Lease, RolloutInfo

__all__ = ["OnConflict", "begin", "make_way", "new_rollout_id", "outcome", "refuse_unknown"]

OnConflict: TypeAlias = Literal["refuse", "queue", "supersede"]
"""``refuse``: raise `LeaseHeld`. ``queue``: wait until the target is free. ``supersede``: the
other rollout goes back to its base first."""

_LOOK_AGAIN = 1.0
"""Seconds between two looks at whether the program that is waited for still lives."""


def new_rollout_id(clock: Clock) -> RolloutId:
    """Return an id that sorts by time and is never used twice."""
    now = datetime.fromtimestamp(clock.wall(), UTC)
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def refuse_unknown(word: str, words: object, what: str) -> None:
    """Do nothing if a word is one of a ``Literal``.

    Raises:
        InvalidInput: If it is not: another way than the one meant would be gone.
    """
    if word not in get_args(words):
        msg = f"{what} must be one of {list(get_args(words))!r}, not {word!r}"
        raise InvalidInput(msg)


async def begin(
    journal: Journal, plan: Plan, clock: Clock, ttl_ms: int, *, holder: str | None = None
) -> Lease:
    """Take the lease, for this process unless another holder is named, and record the plan.

    Raises:
        LeaseHeld: If another rollout has one of the targets.
        JournalError: If it cannot be written.
    """
    return await journal.begin(new_rollout_id(clock), plan, holder or this_holder(), ttl_ms)


async def make_way(
    journal: Journal,
    targets: tuple[TargetId, ...],
    on_conflict: OnConflict,
    recover: Callable[[RolloutInfo], Awaitable[object]],
) -> None:
    """Wait for, or send back, what acts on the targets now; with ``refuse`` do nothing.

    Args:
        journal: Where the leases are.
        targets: What is wanted.
        on_conflict: See `OnConflict`.
        recover: Brings back a rollout whose program has died.

    Raises:
        InvalidInput: If there is no such way.
        JournalError: If the journal cannot be read or written.
    """
    refuse_unknown(on_conflict, OnConflict, "on_conflict")
    if on_conflict == "refuse":
        return
    for target in targets:
        while open_now := [info for info in await journal.rollouts(target, unfinished=True) if info.open]:
            info = open_now[0]
            if on_conflict == "supersede":
                await _supersede(journal, info)
            await outcome(journal, info, recover)


async def outcome(
    journal: Journal, info: RolloutInfo, recover: Callable[[RolloutInfo], Awaitable[object]]
) -> RolloutResult:
    """Wait for a rollout's end, and recover it if whoever drives it dies meanwhile.

    Raises:
        JournalError: If the journal cannot be read or written.
    """
    rollout = Rollout(info.id, info.plan, journal)
    while True:
        await recover(info)
        with anyio.move_on_after(_LOOK_AGAIN):
            return await rollout.result()
        open_now = await journal.rollouts(info.plan.bases[0].target.id, unfinished=True)
        info = next((each for each in open_now if each.id == info.id), info)


async def _supersede(journal: Journal, info: RolloutInfo) -> None:
    await journal.send(info.id, Command(verb="supersede", reason="another rollout is to begin", by=who()))
    feed_of(journal).wake()
