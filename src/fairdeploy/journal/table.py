"""The tables of a SQLite journal, as the rules see them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, final

from fairdeploy.journal import codec, rows
from fairdeploy.journal.clock import boot
from fairdeploy.journal.standing import Grant

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from fairdeploy.errors import RecordError
    from fairdeploy.journal.clock import Moment
    from fairdeploy.journal.standing import Standing
    from fairdeploy.model import Event, Plan, Record, RolloutId, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["Table"]

_STANDING = "id, targets, began_ms, holder, epoch, expires_ms, parked, result, due, ahead_ms, boot"


@final
class Table:
    """The `Store` of a SQLite journal, within the connection's transaction.

    A lease's end is written with how far the wall clock was ahead of the one that never jumps, and read as the wall
    clock would say it now: a clock that is set by an hour neither ends a lease nor prolongs it, before a reboot.

    Args:
        connection: To the file.
        moment: When it is looked at.
    """

    def __init__(self, connection: sqlite3.Connection, moment: Moment) -> None:
        self._connection = connection
        self._moment = moment

    def standing(self, rollout: RolloutId) -> Standing | None:
        """See `Store.standing`."""
        query = f"SELECT {_STANDING} FROM rollout WHERE id = ?"  # noqa: S608 -- column names of ours
        row = self._connection.execute(query, (rollout,)).fetchone()
        return None if row is None else self._standing(row)

    def grants(self, targets: Sequence[TargetId]) -> tuple[Grant, ...]:
        """See `Store.grants`."""
        query = "SELECT rollout, epoch FROM lease WHERE target = ?"
        found = []
        for target in targets:
            row = self._connection.execute(query, (target,)).fetchone()
            if row is not None:
                found.append(Grant(target=target, rollout=row[0], epoch=row[1]))
        return tuple(found)

    def create(self, standing: Standing, plan: Plan) -> None:
        """See `Store.create`."""
        self._connection.execute(
            "INSERT INTO rollout (id, targets, plan, began_ms, holder, epoch, expires_ms, parked, due, unfinished,"
            " ahead_ms, boot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '[]', 1, ?, ?)",
            (
                standing.id,
                json.dumps(standing.targets),
                codec.encode_plan(plan),
                standing.began_ms,
                standing.holder,
                standing.epoch,
                standing.expires_ms,
                standing.parked,
                self._moment.ahead_ms,
                boot(),
            ),
        )

    def keep(self, standing: Standing) -> None:
        """See `Store.keep`."""
        self._connection.execute(
            "UPDATE rollout SET holder = ?, epoch = ?, expires_ms = ?, parked = ?, result = ?, due = ?, unfinished = ?,"
            " ahead_ms = ?, boot = ? WHERE id = ?",
            (
                standing.holder,
                standing.epoch,
                standing.expires_ms,
                standing.parked,
                None if standing.result is None else codec.encode(standing.result),
                codec.encode(standing.due),
                standing.unfinished,
                self._moment.ahead_ms,
                boot(),
                standing.id,
            ),
        )

    def grant(self, grants: Sequence[Grant]) -> None:
        """See `Store.grant`."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO lease (target, rollout, epoch) VALUES (?, ?, ?)",
            [(grant.target, grant.rollout, grant.epoch) for grant in grants],
        )

    def add(self, rollout: RolloutId, epoch: int, at_ms: int, records: Sequence[Record]) -> int:
        """See `Store.add`."""
        seq = 0
        for record in records:
            cursor = self._connection.execute(
                "INSERT INTO event (rollout, epoch, at_ms, version, record) VALUES (?, ?, ?, ?, ?)",
                (rollout, epoch, at_ms, codec.VERSION, codec.encode(record)),
            )
            seq = cursor.lastrowid or 0
        return seq

    def events(self, rollout: RolloutId | None, since: int) -> tuple[Event, ...]:
        """Return the events after ``since``, of one rollout or of all.

        Raises:
            RecordError: If one cannot be understood.
        """
        columns = "SELECT seq, rollout, epoch, at_ms, version, record FROM event WHERE seq > ?"
        if rollout is None:
            found = self._connection.execute(columns + " ORDER BY seq", (since,))
        else:
            found = self._connection.execute(columns + " AND rollout = ? ORDER BY seq", (since, rollout))
        # All at once: a cursor that is left half-way, by a record that cannot be understood, would keep the reader in the past.
        return tuple(rows.event(row) for row in found.fetchall())

    def infos(
        self, target: TargetId | None, *, unfinished: bool, damaged: list[RecordError] | None
    ) -> tuple[RolloutInfo, ...]:
        """Return what is known of the rollouts, oldest first.

        Raises:
            RecordError: If a plan or result cannot be understood, and there is no place to say so.
        """
        conditions = (["unfinished"] if unfinished else []) + (
            ["instr(targets, ?)"] if target is not None else []
        )
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        query = f"SELECT {_STANDING}, plan FROM rollout{where} ORDER BY number"  # noqa: S608 -- column names of ours
        # Searched as text in there, so that the rollouts of all other targets need not be handed out and read.
        found = self._connection.execute(query, () if target is None else (json.dumps(target),)).fetchall()
        return rows.understood(
            (row for row in found if target is None or target in json.loads(row[1])),
            lambda row: rows.info(self._standing(row[:-1]), row[-1]),
            damaged,
        )

    def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """Remove those that are finished, with their events, and return them."""
        gone = []
        for rollout in rollouts:
            query = "DELETE FROM rollout WHERE id = ? AND NOT unfinished"
            if self._connection.execute(query, (rollout,)).rowcount:
                self._connection.execute("DELETE FROM event WHERE rollout = ?", (rollout,))
                gone.append(rollout)
        return tuple(gone)

    def used(self) -> bool:
        """Whether there is, or was, an event."""
        return self._connection.execute("SELECT 1 FROM sqlite_sequence").fetchone() is not None

    def put(self, event: Event) -> None:
        """Keep an event at its own position."""
        self._connection.execute(
            "INSERT INTO event (seq, rollout, epoch, at_ms, version, record) VALUES (?, ?, ?, ?, ?, ?)",
            (event.seq, event.rollout, event.epoch, event.at_ms, codec.VERSION, codec.encode(event.record)),
        )

    def _standing(self, row: tuple[str, str, int, str, int, int, int, str | None, str, int, str]) -> Standing:
        rollout, targets, began_ms, holder, epoch, expires_ms, parked, result, due, ahead_ms, where = row
        here = bool(where) and where == boot()
        return rows.standing(
            rollout,
            targets=json.loads(targets),
            began_ms=began_ms,
            holder=holder,
            epoch=epoch,
            expires_ms=self._moment.date(expires_ms, ahead_ms) if here else expires_ms,
            parked=parked,
            result=result,
            due=due,
        )
