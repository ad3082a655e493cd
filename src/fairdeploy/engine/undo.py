"""The way back: a pure function of plan, journal and what is seen, asked again until nothing is left.

It needs no strategy, no checks and no bindings besides the backend, so that any process can
go back for one that died. It must not be asked once a promotion has been intended: from
there the way is forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.engine.decide import Done, Situation, decide
from fairdeploy.model import AwaitReady, Base, Delegate, Drain, Promote, Retire, Scale, Shift, Start, Step

if TYPE_CHECKING:
    from fairdeploy.engine.history import History
    from fairdeploy.engine.world import Seen
    from fairdeploy.model import RevisionId, TargetId

__all__ = ["next_undo"]


def next_undo(history: History, seen: Mapping[TargetId, Seen]) -> Step | None:
    """Return the next step of the way back, or ``None`` if there is nothing left to undo.

    Targets are gone through in reverse; for each, capacity first, then traffic, then the
    candidate, so that abort never leans on an under-scaled stable revision.

    Args:
        history: The rollout's journal.
        seen: What is there now, for every target that the rollout has touched.
    """
    for base in reversed(history.plan.bases):
        if base.target.id not in history.touched:
            continue
        for step in _way_back(base, history, seen[base.target.id]):
            return step
    return None


def _way_back(base: Base, history: History, seen: Seen) -> Iterator[Step]:
    if (asked := _delegated(base, history)) is not None and base.stable is not None:
        yield from _reverted(asked, base, history)
    elif base.stable is None:
        yield from _traffic(base, history, seen)
        yield from _candidate(base, history, seen)
        yield from _forgotten(base, history, seen)
    elif history.plan.exclusive(base.target.id):
        yield from _candidate(base, history, seen)
        yield from _leavers(base, history, seen)
        yield from _capacity(base, history, seen)
        yield from _traffic(base, history, seen)
    else:
        yield from _capacity(base, history, seen)
        yield from _traffic(base, history, seen)
        yield from _leavers(base, history, seen)
        yield from _candidate(base, history, seen)


def _delegated(base: Base, history: History) -> Delegate | None:
    """Return what the platform was asked for here, if it was."""
    steps = (history.plan.step(step) for step in history.intended)
    return next(
        (each for each in steps if isinstance(each, Delegate) and each.target == base.target.id), None
    )


def _reverted(asked: Delegate, base: Base, history: History) -> Iterator[Step]:
    """Let the platform bring stable back, which it remembers: once, as it then keeps it so by itself."""
    if base.stable is not None and not any(isinstance(each, Delegate) for each in _settled(base, history)):
        size = base.replicas if asked.replicas is not None else None
        yield replace(asked, id=_id(history, "revert"), revision=base.stable, replicas=size)


def _id(history: History, what: str) -> str:
    return f"undo-{len(history.undone) + 1}-{what}"


def _capacity(base: Base, history: History, seen: Seen) -> Iterator[Step]:
    """Raise stable to what it had; only ever raise."""
    stable = base.stable
    if stable is None or not base.replicas:
        return
    revision = seen.revision(stable)
    # What quiesces does not come back: it is replaced here, and stopped by `_leavers` once it is idle.
    if len(revision.active) < base.replicas:
        yield Start(_id(history, "start"), target=base.target.id, revision=stable, replicas=base.replicas)
    able = [i for i in revision.ready if seen.traffic is None or i.id in seen.traffic.healthy]
    if len(able) < base.replicas and not _given_up(base, history):
        yield AwaitReady(_id(history, "ready"), target=base.target.id, revision=stable, deadline_ms=_READY_MS)


def _leavers(base: Base, history: History, seen: Seen) -> Iterator[Step]:
    """Stop what the rollout had marked to go, or had added to stable, once nothing is in flight on it."""
    stable = base.stable
    if stable is None:
        return
    active = len(seen.revision(stable).active)
    keep = _kept(base, history, active)
    if len(seen.revision(stable).instances) == keep:
        return
    if active > keep or not _drained(base, history, stable):
        yield Drain(
            _id(history, "drain"),
            target=base.target.id,
            revision=stable,
            keep=keep,
            requests_ms=base.target.drain_ms,
            streams_ms=base.target.stream_drain_ms,
        )
    yield Scale(_id(history, "scale"), target=base.target.id, revision=stable, replicas=keep)


def _kept(base: Base, history: History, active: int) -> int:
    """Return how many instances of stable stay: what others have added since is not ours to stop."""
    steps = (history.plan.step(step) for step in history.intended)
    added = any(
        isinstance(step, Start | Scale) and step.target == base.target.id and step.revision == base.stable
        for step in steps
    )
    return min(active, base.replicas) if added and base.replicas else active


def _drained(base: Base, history: History, revision: RevisionId) -> bool:
    return any(isinstance(step, Drain) and step.revision == revision for step in _settled(base, history))


_READY_MS = 60_000
"""How long the way back waits for stable to be ready again. After it the traffic goes back all
the same: a convicted candidate is no better a place for it than a stable that is short of capacity."""


def _given_up(base: Base, history: History) -> bool:
    return any(isinstance(step, AwaitReady) for step in _settled(base, history))


def _undone(base: Base, history: History) -> list[Step]:
    """Return the steps that the way back has intended for a target."""
    return [
        step for step in history.undone if not isinstance(step, Promote) and step.target == base.target.id
    ]


def _settled(base: Base, history: History) -> list[Step]:
    """Return those of them that were observed."""
    return [step for step in _undone(base, history) if step.id in history.undo_settled]


def _started(base: Base, history: History) -> bool:
    """Whether the rollout has asked for any instance of its candidate."""
    steps = (history.plan.step(step) for step in history.intended)
    return any(
        isinstance(step, Start | Scale | Delegate)
        and step.target == base.target.id
        and step.revision == base.candidate
        for step in steps
    )


def _must_stop_traffic(base: Base, history: History, seen: Seen) -> bool:
    """Whether a candidate that may not run beside stable still has to lose its traffic first."""
    if seen.traffic is None or base.stable is None or not history.plan.exclusive(base.target.id):
        return False
    return not any(isinstance(step, Shift) for step in _settled(base, history))


def _traffic(base: Base, history: History, seen: Seen) -> Iterator[Step]:
    if seen.traffic is None:
        return
    split = base.split if base.stable is not None else None
    shift = Shift(_id(history, "shift"), target=base.target.id, split=split)
    if seen.traffic.written is None and split is None:
        return
    situation = Situation(plan=history.plan, base=base, rule=shift, backwards=True)
    silent = seen.traffic.written is not None and seen.traffic.split is None and seen.traffic.acknowledged
    if base.stable is None and silent:
        return
    if not isinstance(decide(shift, situation, seen), Done):
        yield shift


def _candidate(base: Base, history: History, seen: Seen) -> Iterator[Step]:
    """Stop what the rollout started. What was there before it stays, and strangers are never touched."""
    candidate = base.candidate
    if candidate is None or candidate == base.stable or candidate in base.revisions:
        return
    if not _started(base, history):
        return
    if _must_stop_traffic(base, history, seen):
        yield Shift(_id(history, "shift"), target=base.target.id, split=None)
    if not _drained(base, history, candidate) and seen.revision(candidate).instances:
        yield Drain(
            _id(history, "drain"),
            target=base.target.id,
            revision=candidate,
            requests_ms=base.target.drain_ms,
            streams_ms=base.target.stream_drain_ms,
        )
    # Asked for once even if nothing is seen: a look may be stale, or an instance still on its way up.
    retired = any(isinstance(step, Retire) for step in _settled(base, history))
    if not retired or seen.deployment.revision(candidate) is not None:
        yield Retire(_id(history, "retire"), target=base.target.id, revision=candidate)


def _forgotten(base: Base, history: History, seen: Seen) -> Iterator[Step]:
    """A first deploy that failed leaves no router behind either."""
    if seen.traffic is not None and seen.traffic.written is not None:
        yield Shift(_id(history, "forget"), target=base.target.id, split=None)
