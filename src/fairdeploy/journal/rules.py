"""What a journal allows. The one place that decides about leases, whatever keeps the records.

Every function runs within one transaction of its store, decides before it writes, and
raises without having written anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.errors import Fenced, InvalidInput, LeaseHeld, UnknownRollout
from fairdeploy.journal.standing import FREE, Standing
from fairdeploy.model import Began, Command, Due, Ended, Noted, Parked, Settled, TookOver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.journal.standing import Empty, Grant, Store
    from fairdeploy.model import Event, Plan, Record, RolloutId, TargetId, Unfenced
    from fairdeploy.protocols import Lease, RolloutInfo

__all__ = ["append", "begin", "holds_something", "known", "renew", "restore", "send", "take", "unknown"]

_UNFENCED = 0
"""Epoch of records that anybody may write."""


def begin(store: Store, now_ms: int, rollout: RolloutId, plan: Plan, *, holder: str, ttl_ms: int) -> Lease:
    """Grant every target of the plan to a new rollout. See `Journal.begin`."""
    _check_ttl(ttl_ms)
    if store.standing(rollout) is not None:
        raise InvalidInput(f"rollout {rollout!r} is in the journal already: begin another under a new id")
    targets = tuple(base.target.id for base in plan.bases)
    grants = store.grants(targets)
    for grant in grants:
        if grant.rollout != FREE:
            raise _held(store, grant, now_ms)
    standing = Standing(
        id=rollout,
        targets=targets,
        began_ms=now_ms,
        holder=holder,
        epoch=_next_epoch(grants),
        expires_ms=now_ms + ttl_ms,
    )
    records: list[Record] = [Began(plan_hash=plan.hash, holder=holder)]
    store.create(standing, plan)
    store.grant(standing.grants)
    if plan.hold:
        # In the same transaction: whoever dies right after it has left the hold too.
        records.append(Noted(topic="hold", message=plan.hold, by=holder.partition(" ")[0]))
        store.keep(_after(standing, records[-1], now_ms))
    store.add(rollout, standing.epoch, now_ms, records)
    return standing.lease(ttl_ms)


def take(
    store: Store, now_ms: int, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None
) -> Lease:
    """Grant an open rollout's targets to another holder. See `Journal.take`."""
    _check_ttl(ttl_ms)
    before = known(store, rollout)
    if before.result is not None:
        raise UnknownRollout(
            f"rollout {rollout!r} has ended ({before.result.outcome}): there is nothing to take over"
        )
    if before.expires_ms > now_ms and before.holder != dead:
        raise LeaseHeld(
            f"rollout {rollout!r} is held by {before.holder!r} for another "
            f"{_seconds(before.expires_ms - now_ms)}: wait for that time, or send it a command"
        )
    standing = replace(
        before,
        holder=holder,
        epoch=_next_epoch(store.grants(before.targets)),
        expires_ms=now_ms + ttl_ms,
        parked=False,
    )
    store.keep(standing)
    store.grant(standing.grants)
    store.add(rollout, standing.epoch, now_ms, [TookOver(holder=holder, reason=reason)])
    return standing.lease(ttl_ms)


def renew(store: Store, now_ms: int, lease: Lease) -> Lease:
    """Grant the time to live anew. See `Journal.renew`."""
    standing = replace(_fenced(store, lease), expires_ms=now_ms + lease.ttl_ms)
    store.keep(standing)
    return standing.lease(lease.ttl_ms)


def append(store: Store, now_ms: int, lease: Lease, records: Sequence[Record], *, end: bool) -> int:
    """Append records under a lease. See `Journal.append`."""
    before = _fenced(store, lease)
    if not records:
        raise InvalidInput(f"nothing to append to rollout {lease.rollout!r}: give at least one record")
    ends = sum(isinstance(record, Ended) for record in records)
    if ends != (1 if end else 0):
        raise InvalidInput(
            f"rollout {lease.rollout!r}: end={end!r} with {ends} Ended among the records; "
            "end=True goes with exactly one Ended, and only with it"
        )
    standing = before
    for record in records:
        standing = _after(standing, record, now_ms)
    if standing.parked and not before.parked:
        standing = replace(standing, expires_ms=min(standing.expires_ms, now_ms))
    if standing != before:
        store.keep(standing)
    if end:
        store.grant(standing.grants)
    return store.add(lease.rollout, lease.epoch, now_ms, records)


def send(store: Store, now_ms: int, rollout: RolloutId, record: Unfenced) -> int:
    """Append a command, a note, or the end of something due, without a lease. See `Journal.send`."""
    before = known(store, rollout)
    if isinstance(record, Settled) and not record.step.startswith("due:"):
        raise InvalidInput(
            f"step {record.step!r} of rollout {rollout!r} is settled under its lease: "
            "only steps 'due:<target>:<revision>' can be sent"
        )
    standing = _after(before, record, now_ms)
    if standing != before:
        store.keep(standing)
    return store.add(rollout, _UNFENCED, now_ms, [record])


def restore(store: Empty, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
    """Fill an empty store. How a rollout stands follows from its events. See `Archive.restore`."""
    held: dict[TargetId, Grant] = {}
    for info in rollouts:
        standing = _replayed(info, [event for event in events if event.rollout == info.id])
        store.create(standing, info.plan)
        store.keep(standing)
        for grant in standing.grants:
            before = held.get(grant.target)
            if before is None or before.epoch <= grant.epoch:
                held[grant.target] = grant
    store.grant(tuple(held.values()))
    for event in sorted(events, key=lambda each: each.seq):
        store.put(event)


def holds_something() -> InvalidInput:
    """Return what to raise when a journal that is to be filled is not new."""
    return InvalidInput("the journal holds records, or has held some: restore into one that is new")


def known(store: Store, rollout: RolloutId) -> Standing:
    """Return how a rollout stands.

    Raises:
        UnknownRollout: If there is none of this id.
    """
    standing = store.standing(rollout)
    if standing is None:
        raise unknown(rollout)
    return standing


def unknown(rollout: RolloutId) -> UnknownRollout:
    """Return what to raise for a rollout that is not there."""
    return UnknownRollout(f"the journal holds no rollout {rollout!r}: list them with `rollouts()`")


def _replayed(info: RolloutInfo, events: Sequence[Event]) -> Standing:
    standing = Standing(
        id=info.id,
        targets=tuple(base.target.id for base in info.plan.bases),
        began_ms=info.began_ms,
        holder=info.holder,
        epoch=info.epoch,
        expires_ms=info.expires_ms,
    )
    for event in sorted(events, key=lambda each: each.seq):
        if isinstance(event.record, TookOver):
            standing = replace(standing, holder=event.record.holder, epoch=event.epoch)
        standing = _after(standing, event.record, event.at_ms)
    return standing


def _after(standing: Standing, record: Record, at_ms: int) -> Standing:
    """Return how a rollout stands after one more record of its holder."""
    match record:
        case Parked():
            return replace(standing, parked=True)
        case Noted(topic="hold") | Command(hold=True):
            held = {due.target for due in standing.due if due.what == "hold"}
            new = (
                Due(target=t, revision="hold", at_ms=at_ms, what="hold")
                for t in standing.targets
                if t not in held
            )
            return replace(standing, due=(*standing.due, *new))
        case Command() | Noted():
            return standing
        case Due():
            # A step that is taken again after a crash says anew until when: one end ends it.
            others = (due for due in standing.due if not _same(due, record))
            return replace(standing, parked=False, due=(*others, record))
        case Settled() if record.step.startswith("due:"):
            return replace(standing, due=tuple(due for due in standing.due if not _ends(record.step, due)))
        case Ended():
            return replace(standing, parked=False, result=record.result)
        case _:
            return replace(standing, parked=False)


def _same(one: Due, other: Due) -> bool:
    return (one.what, one.target, one.revision) == (other.what, other.target, other.revision)


def _ends(step: str, due: Due) -> bool:
    """Whether a step ends it. The revision alone means it at every target."""
    return step in {f"due:{due.target}:{due.revision}", f"due:{due.revision}"}


def _fenced(store: Store, lease: Lease) -> Standing:
    """Return how the lease's rollout stands, if the lease still holds on every target."""
    standing = store.standing(lease.rollout)
    if standing is None:
        raise Fenced(
            f"rollout {lease.rollout!r} is not in this journal: its lease is from another one, or the journal was replaced"
        )
    if standing.result is not None:
        raise Fenced(f"rollout {lease.rollout!r} has ended ({standing.result.outcome}): nothing can follow")
    grants = store.grants(standing.targets)
    held = len(grants) == len(standing.targets) and all(
        grant.rollout == lease.rollout and grant.epoch == lease.epoch for grant in grants
    )
    if not held or standing.holder != lease.holder or standing.epoch != lease.epoch:
        raise Fenced(
            f"rollout {lease.rollout!r} was taken over by {standing.holder!r} (epoch {standing.epoch}): "
            f"{lease.holder!r} (epoch {lease.epoch}) must stop"
        )
    return standing


def _held(store: Store, grant: Grant, now_ms: int) -> LeaseHeld:
    """Say who holds a target, since when, and what can be done about it."""
    other = known(store, grant.rollout)
    name = other.holder.partition(" ")[0]  # what follows tells programs whether it lives
    who = f"target {grant.target!r} is held by rollout {other.id!r} of {name!r}"
    if other.parked:
        return LeaseHeld(
            f"{who}, which was left on purpose {_seconds(now_ms - other.expires_ms)} ago: "
            "attach to it to resume it, or abort it"
        )
    if other.expires_ms <= now_ms:
        return LeaseHeld(
            f"{who}, which looks dead since {_seconds(now_ms - other.expires_ms)}: "
            "bring it to its end with `await deployer.recover()`"
        )
    return LeaseHeld(
        f"{who}, which began {_seconds(now_ms - other.began_ms)} ago: wait for its end, abort it, or supersede it"
    )


def _next_epoch(grants: Sequence[Grant]) -> int:
    return max((grant.epoch for grant in grants), default=0) + 1


def _check_ttl(ttl_ms: int) -> None:
    if ttl_ms < 1:
        raise InvalidInput(f"a lease's ttl_ms must be at least 1, not {ttl_ms!r}")


def _seconds(ms: int) -> str:
    return f"{max(ms, 0) / 1000:.1f} s"
