"""What the columns of a durable journal mean, whatever database they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fairdeploy.errors import RecordError
from fairdeploy.journal import codec
from fairdeploy.journal.standing import Standing
from fairdeploy.model import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from fairdeploy.model import RolloutId, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["event", "info", "standing", "understood"]

T = TypeVar("T")


def standing(
    rollout: RolloutId,
    *,
    targets: Sequence[TargetId],
    began_ms: int,
    holder: str,
    epoch: int,
    expires_ms: int,
    parked: bool | int,
    result: str | None,
    due: str,
) -> Standing:
    """Return how a rollout stands.

    Raises:
        RecordError: If its result, or what is due, cannot be understood.
    """
    return Standing(
        id=rollout,
        targets=tuple(targets),
        began_ms=began_ms,
        holder=holder,
        epoch=epoch,
        expires_ms=expires_ms,
        parked=bool(parked),
        result=None if result is None else codec.result(result, f"the result of rollout {rollout!r}"),
        due=codec.dues(due, f"what is due after rollout {rollout!r}"),
    )


def info(stands: Standing, plan: str) -> RolloutInfo:
    """Return a rollout as the journal's users see it.

    Raises:
        RecordError: If its plan cannot be understood.
    """
    return stands.info(codec.plan(plan, f"the plan of rollout {stands.id!r}"))


def understood(
    found: Iterable[T], read: Callable[[T], RolloutInfo], damaged: list[RecordError] | None
) -> tuple[RolloutInfo, ...]:
    """Read rows; what cannot be understood is left out where there is a place to say so.

    Raises:
        RecordError: If there is none.
    """
    infos: list[RolloutInfo] = []
    for row in found:
        try:
            infos.append(read(row))
        except RecordError as error:
            if damaged is None:
                raise
            damaged.append(error)
    return tuple(infos)


def event(row: Sequence[Any]) -> Event:  # columns of several types
    """Return an event from its columns: position, rollout, epoch, time, version and record.

    Raises:
        RecordError: If its record cannot be understood.
    """
    seq, rollout, epoch, at_ms, version, record = row
    return Event(
        seq=seq,
        rollout=rollout,
        epoch=epoch,
        at_ms=at_ms,
        record=codec.record(record, version, f"record {seq} of rollout {rollout!r}"),
    )
