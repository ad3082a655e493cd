"""What a journal in a ConfigMap holds: one document, as the rules see it."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
from typing import TYPE_CHECKING, Any, Self, final

from fairdeploy.errors import JournalError
from fairdeploy.journal import codec, rows
from fairdeploy.journal.standing import Grant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.errors import RecordError
    from fairdeploy.journal.standing import Standing
    from fairdeploy.model import Event, Plan, Record, RolloutId, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["Sheet"]

_LIMIT = 900_000
"""Bytes; etcd takes 1 MiB of one object, with its names and marks."""


@final
class Sheet:
    """The `Store` of a journal in a ConfigMap: changed in memory, then written as a whole or not at all.

    Args:
        content: The document.
    """

    def __init__(self, content: dict[str, Any]) -> None:  # JSON: values of several types
        self._content = content

    @classmethod
    def new(cls) -> Self:
        """Return one that holds nothing yet but its key."""
        return cls(
            {"schema": 1, "key": secrets.token_hex(32), "last": 0, "leases": {}, "rollouts": {}, "events": []}
        )

    @classmethod
    def decoded(cls, text: str) -> Self:
        """Read one.

        Raises:
            JournalError: If it cannot be understood.
        """
        try:
            content = json.loads(gzip.decompress(base64.b64decode(text)))
            if content["schema"] == 1:
                return cls(content)
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise JournalError(
                f"the journal's ConfigMap cannot be read ({type(error).__name__}): restore it"
            ) from error
        raise JournalError("the journal's ConfigMap was written by another version: use that one")

    def encoded(self) -> str:
        """Return its text. The oldest finished rollouts are forgotten if it would not fit.

        Raises:
            JournalError: If what is unfinished alone does not fit.
        """
        while True:
            text = base64.b64encode(gzip.compress(json.dumps(self._content).encode(), 6)).decode()
            if len(text) <= _LIMIT:
                return text
            finished = [each for each in self._content["rollouts"] if not self._stands(each).unfinished]
            if not finished:
                raise JournalError(
                    "what is unfinished does not fit into one ConfigMap any more: end rollouts, or open the backend with "
                    "another journal"
                )
            self.forget(finished[:1])

    @property
    def key(self) -> bytes:
        """Random bytes made with it."""
        return bytes.fromhex(self._content["key"])

    @property
    def writer(self) -> str:
        """The name of the change that wrote it last."""
        return str(self._content.get("writer", ""))

    @writer.setter
    def writer(self, name: str) -> None:
        self._content["writer"] = name

    @property
    def used(self) -> bool:
        """Whether there is, or was, an event."""
        return bool(self._content["last"])

    def standing(self, rollout: RolloutId) -> Standing | None:
        """See `Store.standing`."""
        return self._stands(rollout) if rollout in self._content["rollouts"] else None

    def grants(self, targets: Sequence[TargetId]) -> tuple[Grant, ...]:
        """See `Store.grants`."""
        known = self._content["leases"]
        return tuple(
            Grant(target=each, rollout=known[each][0], epoch=known[each][1])
            for each in targets
            if each in known
        )

    def create(self, standing: Standing, plan: Plan) -> None:
        """See `Store.create`."""
        self._content["rollouts"][standing.id] = {
            "plan": codec.encode_plan(plan),
            "targets": list(standing.targets),
        }
        self.keep(standing)

    def keep(self, standing: Standing) -> None:
        """See `Store.keep`."""
        self._content["rollouts"][standing.id].update(
            began_ms=standing.began_ms,
            holder=standing.holder,
            epoch=standing.epoch,
            expires_ms=standing.expires_ms,
            parked=standing.parked,
            result=None if standing.result is None else codec.encode(standing.result),
            due=codec.encode(standing.due),
        )

    def grant(self, grants: Sequence[Grant]) -> None:
        """See `Store.grant`."""
        self._content["leases"].update({each.target: [each.rollout, each.epoch] for each in grants})

    def add(self, rollout: RolloutId, epoch: int, at_ms: int, records: Sequence[Record]) -> int:
        """See `Store.add`."""
        for record in records:
            self._content["last"] += 1
            row = [self._content["last"], rollout, epoch, at_ms, codec.VERSION, codec.encode(record)]
            self._content["events"].append(row)
        return int(self._content["last"])

    def put(self, event: Event) -> None:
        """Keep an event at its own position."""
        row = [event.seq, event.rollout, event.epoch, event.at_ms, codec.VERSION, codec.encode(event.record)]
        self._content["events"].append(row)
        self._content["last"] = event.seq

    def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """Remove those that are finished, with their events, and return them."""
        known = self._content["rollouts"]
        gone = tuple(each for each in rollouts if each in known and not self._stands(each).unfinished)
        for each in gone:
            del known[each]
        self._content["events"] = [row for row in self._content["events"] if row[1] not in gone]
        return gone

    def events(self, rollout: RolloutId | None, since: int) -> tuple[Event, ...]:
        """Return the events after ``since``, of one rollout or of all.

        Raises:
            RecordError: If one cannot be understood.
        """
        wanted = (row for row in self._content["events"] if row[0] > since and rollout in {None, row[1]})
        return tuple(rows.event(row) for row in wanted)

    def infos(
        self, target: TargetId | None, *, unfinished: bool, damaged: list[RecordError] | None
    ) -> tuple[RolloutInfo, ...]:
        """Return what is known of the rollouts, oldest first.

        Raises:
            RecordError: If one cannot be understood, and there is no place to say so.
        """
        known = self._content["rollouts"]

        def fits(rollout: RolloutId) -> bool:
            open_ = known[rollout]["result"] is None or known[rollout]["due"] != "[]"
            return (target is None or target in known[rollout]["targets"]) and (open_ or not unfinished)

        return rows.understood(
            (each for each in known if fits(each)),
            lambda each: rows.info(self._stands(each), known[each]["plan"]),
            damaged,
        )

    def _stands(self, rollout: RolloutId) -> Standing:
        columns = {key: value for key, value in self._content["rollouts"][rollout].items() if key != "plan"}
        return rows.standing(rollout, **columns)
