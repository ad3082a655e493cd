"""What was read from a database to decide about some calls, and what is to be written if nothing has moved since."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, final
from uuid import uuid4

from fairdeploy.journal import codec, rows
from fairdeploy.journal.standing import FREE, Grant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fairdeploy.journal.standing import Standing
    from fairdeploy.model import Event, Plan, Record, RolloutId, TargetId

__all__ = ["Page"]


@final
class Page:
    """A `Store` of what one query returned. Nothing is written: `changes` says what would be.

    Args:
        rollouts: Rows of rollouts, each with its ``turn``: how often it was written.
        leases: Rows of leases.
    """

    def __init__(
        self,
        rollouts: Sequence[Mapping[str, Any]],  # columns of several types
        leases: Sequence[Mapping[str, Any]],  # as above
    ) -> None:
        self._turns = {row["id"]: row["turn"] for row in rollouts}
        self._standings = {row["id"]: _standing(row) for row in rollouts}
        self._seen = {row["target"]: _grant(row) for row in leases}
        self._grants = dict(self._seen)
        self._asked: set[TargetId] = set()
        self._touched: set[RolloutId] = set()
        self._plans: dict[RolloutId, str] = {}
        self._events: list[dict[str, object]] = []
        self.batch = uuid4()

    def standing(self, rollout: RolloutId) -> Standing | None:
        """See `Store.standing`."""
        return self._standings.get(rollout)

    def grants(self, targets: Sequence[TargetId]) -> tuple[Grant, ...]:
        """See `Store.grants`."""
        self._asked.update(targets)
        return tuple(self._grants[target] for target in targets if target in self._grants)

    def create(self, standing: Standing, plan: Plan) -> None:
        """See `Store.create`."""
        self._plans[standing.id] = codec.encode_plan(plan)
        self.keep(standing)

    def keep(self, standing: Standing) -> None:
        """See `Store.keep`."""
        self._standings[standing.id] = standing
        self._touched.add(standing.id)

    def grant(self, grants: Sequence[Grant]) -> None:
        """See `Store.grant`."""
        self._grants.update((grant.target, grant) for grant in grants)

    def add(self, rollout: RolloutId, epoch: int, at_ms: int, records: Sequence[Record]) -> int:
        """Append records; return how many come before the next one in this page."""
        self._touched.add(rollout)
        for record in records:
            self._events.append(
                {
                    "place": len(self._events) + 1,
                    "rollout": rollout,
                    "epoch": epoch,
                    "at_ms": at_ms,
                    "version": codec.VERSION,
                    "record": codec.encode(record),
                    "batch": str(self.batch),
                }
            )
        return len(self._events)

    def put(self, event: Event) -> None:
        """See `Empty.put`: in a journal that holds nothing, a place is a position."""
        self.add(event.rollout, event.epoch, event.at_ms, [event.record])
        self._events[-1]["place"] = event.seq

    def changes(self) -> str | None:
        """Return what is to be written, and what must be as it was read for that, as JSON; ``None`` if nothing is."""
        if not self._touched:
            return None
        empty = Grant(target="", rollout=FREE, epoch=0)
        before = {target: self._seen.get(target, empty) for target in sorted(self._asked)}
        after = {target: self._grants[target] for target in before if target in self._grants}
        return json.dumps(
            {
                "turns": [{"id": each, "turn": self._turns.get(each, 0)} for each in sorted(self._touched)],
                "held": [
                    {"target": target, "rollout": grant.rollout, "epoch": grant.epoch}
                    for target, grant in before.items()
                ],
                "rollouts": [_row(self._standings[each], self._plans.get(each)) for each in self._ordered()],
                "leases": [
                    {"target": target, "rollout": grant.rollout, "epoch": grant.epoch}
                    for target, grant in after.items()
                    if grant != before[target]
                ],
                "events": self._events,
            },
            ensure_ascii=False,
        )

    def _ordered(self) -> list[RolloutId]:
        """Return the rollouts that were touched, new ones last and in the order of their beginning."""
        return [each for each in self._standings if each in self._touched]


def _standing(row: Mapping[str, Any]) -> Standing:  # columns of several types
    return rows.standing(row["id"], **{name: row[name] for name in _COLUMNS})


_COLUMNS = ("targets", "began_ms", "holder", "epoch", "expires_ms", "parked", "result", "due")


def _grant(row: Mapping[str, Any]) -> Grant:  # columns of several types
    return Grant(target=row["target"], rollout=row["rollout"], epoch=row["epoch"])


def _row(standing: Standing, plan: str | None) -> dict[str, object]:
    return {
        "id": standing.id,
        "targets": standing.targets,
        "plan": plan,
        "began_ms": standing.began_ms,
        "holder": standing.holder,
        "epoch": standing.epoch,
        "expires_ms": standing.expires_ms,
        "parked": standing.parked,
        "result": None if standing.result is None else codec.encode(standing.result),
        "due": codec.encode(standing.due),
        "unfinished": standing.unfinished,
    }
