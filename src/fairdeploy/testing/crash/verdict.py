"""Whether what is there after a crash is what the journal says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine.world import look
from fairdeploy.model import Base, Ended, Intended, Outcome, Split
from fairdeploy.testing.crash.house import Furnished
from fairdeploy.testing.crash.stories import stories_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fairdeploy.engine.world import Seen
    from fairdeploy.model import Event, RevisionId, RolloutId, Target
    from fairdeploy.protocols import Backend, RolloutInfo
    from fairdeploy.testing.crash.house import CrashHouse

__all__ = ["Before", "complaints"]

_PATIENCE = 60.0
"""Seconds for an instance to be seen ready again, and for a process that was told to go to be gone."""
_LOOK_AGAIN = 0.05


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was there when a program began.

    Args:
        rollouts: Those that the journal knew.
        stable: The stable revision.
    """

    rollouts: frozenset[RolloutId]
    stable: RevisionId | None

    @classmethod
    async def of(cls, backend: Backend, target: Target) -> Before:
        """Look."""
        infos = await backend.journal.rollouts(target.id)
        seen = await backend.observe(target)
        return cls(rollouts=frozenset(info.id for info in infos), stable=seen.stable)


async def complaints(
    backend: Backend, house: CrashHouse, before: Before, version: str, story: str = ""
) -> list[str]:
    """Return what is not as it must be, each a sentence that begins with an invariant's name.

    Args:
        backend: Where to look.
        house: What else there is to see.
        before: What was there.
        version: What was deployed.
        story: What the program did, if it was one of the house's.
    """
    attention = bool(story) and stories_of(house)[story].attention
    infos = [i for i in await backend.journal.rollouts(house.target.id) if i.id not in before.rollouts]
    wrong: list[str] = []
    expected, promoted = before.stable, False
    for info in infos:
        events = await backend.journal.read(info.id)
        wrong += _record_of(info, events, attention=attention)
        if _promotion_intended(info, events):
            expected, promoted = info.plan.bases[0].candidate or expected, True
    runs = house.runs(version)
    if runs > 1:
        wrong.append(f"I6: the job of {version} ran {runs} times")
    if promoted and not runs and any(step.kind == "run_job" for info in infos for step in info.plan.steps):
        wrong.append(f"I6: {version} was promoted and its job never ran")
    if story and isinstance(house, Furnished):
        wrong += await house.complaints(story, infos)
    return wrong + await _settled_world(backend, house, expected)


def _promotion_intended(info: RolloutInfo, events: Sequence[Event]) -> bool:
    point = info.plan.point_of_no_return
    steps = [event.record for event in events if isinstance(event.record, Intended)]
    return point is not None and any(each.step == point.id and each.phase == "do" for each in steps)


def _record_of(info: RolloutInfo, events: Sequence[Event], *, attention: bool) -> Iterator[str]:
    """Complain of what one rollout's record says."""
    ends = [event.record.result.outcome for event in events if isinstance(event.record, Ended)]
    if len(ends) != 1:
        yield f"I6: rollout {info.id} has {len(ends)} ends"
    wanted = (
        {Outcome.PROMOTED} if _promotion_intended(info, events) else {Outcome.ROLLED_BACK, Outcome.ABORTED}
    )
    if info.plan.point_of_no_return is None:
        wanted.add(
            Outcome.PROMOTED
        )  # what promotes nothing, such as steps on a database alone, may come to its end
    if attention:
        wanted.add(Outcome.NEEDS_ATTENTION)
    if not wanted.issuperset(ends):
        yield f"I6: rollout {info.id} ended {ends}, its journal demands one of {sorted(wanted)}"
    epochs = [event.epoch for event in events if event.epoch]
    if epochs != sorted(epochs):
        yield f"I4: rollout {info.id} holds a record of an older epoch after one of a newer: {epochs}"


async def _settled_world(backend: Backend, house: CrashHouse, expected: RevisionId | None) -> list[str]:
    """Complain of what is there, once readiness and dying processes have had a moment."""
    wrong: list[str] = []
    with anyio.move_on_after(_PATIENCE):
        while True:
            seen = await look(backend, Base(house.target))
            wrong = [
                *_world(seen, house, expected),
                *(f"left over: {s}" for s in house.strays(seen.deployment)),
            ]
            if not wrong:
                break
            await anyio.sleep(_LOOK_AGAIN)
    return wrong


def _world(seen: Seen, house: CrashHouse, expected: RevisionId | None) -> Iterator[str]:
    if seen.deployment.stable != expected:
        yield f"I6: {seen.deployment.stable} is stable, {expected} must be"
    there = {revision.id: len(revision.instances) for revision in seen.deployment.revisions}
    wanted = {} if expected is None else {expected: house.target.replicas}
    if there != wanted:
        yield f"I6: there are instances {there}, there must be {wanted}"
    for revision in seen.deployment.revisions:
        if len(revision.ready) != len(revision.instances):
            yield f"I1: of {revision.id} {len(revision.ready)} of {len(revision.instances)} instances are ready"
    if seen.traffic is None:
        return
    split = Split.all_to(expected) if expected is not None else None
    if seen.traffic.split != split or not seen.traffic.acknowledged:
        yield f"I6: the router serves by {seen.traffic.split}, it must by {split}"
    routes = seen.traffic.written
    if routes is not None and (routes.headers or routes.mirror):
        yield "I6: the router still has rules of the rollout beside the split"
