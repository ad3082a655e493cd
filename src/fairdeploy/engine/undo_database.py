"""The way back of databases, once the application is back: as far as it may go unattended.

A pure function of plan, journal and what is seen of the databases, as `fairdeploy.engine.undo` is one of targets. What
is additive stays: the version before lives with it. What is reversible goes back by its migrations, if that loses
nothing. What is left is restored from the rollout's own backup, if that loses nothing or the plan consents to it. Else
the database stays frozen, and a person is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from fairdeploy.engine.history import GIVEN_UP
from fairdeploy.model import Backup, DatabaseSeen, Freeze, Migrate, Restore, Step, Thaw

if TYPE_CHECKING:
    from fairdeploy.engine.history import History

__all__ = [
    "Sight",
    "as_it_was",
    "backup_ms",
    "databases_of",
    "next_database_undo",
    "undo_id",
    "undone",
    "unresolved",
]

Sight: TypeAlias = DatabaseSeen | str
"""A look at a database, or why it cannot be looked at."""

_BACKUP_MS = 3_600_000
"""Time for taking and proving a backup where the plan names none."""


def databases_of(history: History) -> tuple[str, ...]:
    """Return the names of the databases that an intent may have changed, the last one first."""
    changed = (
        step.database for step in _intended(history) if isinstance(step, Migrate | Restore | Freeze | Thaw)
    )
    return tuple(reversed(dict.fromkeys(changed)))


def next_database_undo(history: History, seen: Mapping[str, Sight]) -> Step | None:
    """Return the next step of the databases' way back, or ``None`` if nothing more can be done unattended.

    Args:
        history: The rollout's journal.
        seen: What is there now, by name, of each of `databases_of`.
    """
    for name in databases_of(history):
        state = seen[name]
        if isinstance(state, DatabaseSeen):
            for step in _way_back(name, state, history):
                return step
    return None


def unresolved(history: History, seen: Mapping[str, Sight]) -> tuple[str, ...]:
    """Return what is not as it was, and has to be looked at by a person: a sentence for each database."""
    found = []
    for name in databases_of(history):
        state = seen[name]
        if isinstance(state, str):
            if risky := [step for step in _migrations(history, name) if not _settled_addition(step, history)]:
                found.append(
                    f"{state}; it was to be migrated to {risky[-1].to!r}, and nobody can tell whether it was"
                )
            elif _frozen_by_us(name, history):
                found.append(f"{state}; it was frozen, and cannot be thawed")
            continue
        reasons = [
            reason for step in _migrations(history, name) if (reason := _trouble(step, state, history))
        ]
        if not reasons and state.frozen and _frozen_by_us(name, history):
            reasons = [f"database {name!r} could not be thawed: {_details(name, history)}"]
        found += reasons[:1]
    return tuple(found)


def _intended(history: History) -> list[Step]:
    return [history.plan.step(step_id) for step_id in dict.fromkeys(history.intended)]


def _migrations(history: History, name: str) -> list[Migrate]:
    """Return what was intended to be migrated, the last one first."""
    steps = [step for step in _intended(history) if isinstance(step, Migrate) and step.database == name]
    return steps[::-1]


def _settled_addition(step: Migrate, history: History) -> bool:
    return step.change == "additive" and step.id in history.settled


def as_it_was(step: Migrate, state: DatabaseSeen) -> bool:
    """Whether a database is as it was before a migration."""
    return state.version == step.since and step.schema in {"", state.schema}


def undone(name: str, history: History, kind: type[Step]) -> list[str]:
    """Return the ids of the steps of a kind that the way back has come to the end of, for a database."""
    return [
        step.id
        for step in history.undone
        if isinstance(step, kind)
        and getattr(step, "database", "") == name
        and step.id in history.undo_settled
    ]


def _way_back(name: str, state: DatabaseSeen, history: History) -> Iterator[Step]:
    for step in _migrations(history, name):
        if step.change == "additive" or as_it_was(step, state):
            continue
        yield from _taken_back(step, state, history)
        return
    if state.frozen and _frozen_by_us(name, history) and not undone(name, history, Thaw):
        yield Thaw(undo_id(history, "thaw"), target=_target(name, history), database=name)


def _taken_back(step: Migrate, state: DatabaseSeen, history: History) -> Iterator[Step]:
    """Yield what leads back from a change that the version before cannot live with."""
    name = step.database
    if step.change == "reversible" and not undone(name, history, Migrate):
        yield Migrate(
            undo_id(history, "migrate"),
            target=step.target,
            database=name,
            to=step.since,
            since=step.to,
            phase="back",
            change=step.change,
            on_loss=step.on_loss,
            deadline_ms=backup_ms(step, history) + step.deadline_ms,
        )
    if not state.frozen and not undone(name, history, Freeze):
        yield Freeze(undo_id(history, "freeze"), target=step.target, database=name)
    if step.backup and step.backup in history.settled and not undone(name, history, Restore):
        yield Restore(
            undo_id(history, "restore"),
            target=step.target,
            database=name,
            backup=step.backup,
            accept="any" if step.on_loss == "restore" else "",
            deadline_ms=backup_ms(step, history),
        )


def backup_ms(step: Migrate, history: History) -> int:
    """Return the time that proving a backup may take: the plan's, where it has one."""
    if step.backup:
        found = history.plan.step(step.backup)
        if isinstance(found, Backup):
            return found.deadline_ms
    return _BACKUP_MS


def undo_id(history: History, what: str) -> str:
    """Return the id of the next step of the way back."""
    return f"undo-{len(history.undone) + 1}-{what}"


def _target(name: str, history: History) -> str:
    return next(
        step.target
        for step in history.plan.steps
        if isinstance(step, Migrate | Restore | Freeze | Thaw) and step.database == name
    )


def _frozen_by_us(name: str, history: History) -> bool:
    onward = [step for step in _intended(history) if not (isinstance(step, Restore) and step.frozen)]
    return any(
        step.database == name
        for step in (*onward, *history.undone)
        if isinstance(step, Freeze | Restore | Migrate) and _freezes(step)
    )


def _freezes(step: Freeze | Restore | Migrate) -> bool:
    # A restore freezes before it counts what would be lost, and a migration before it goes back.
    return not isinstance(step, Migrate) or step.phase == "back"


def _trouble(step: Migrate, state: DatabaseSeen, history: History) -> str:
    """Say what is wrong with a database that was to be migrated; empty if nothing is."""
    name = step.database
    if as_it_was(step, state) or (step.change == "additive" and state.version != step.since):
        return ""
    if step.change == "additive":
        return (
            f"database {name!r} is half-way from {step.since!r} to {step.to!r}: its version has not changed, its schema "
            "has; nothing was taken away, look at what the migration left behind"
        )
    now = "frozen: it can be read, not written" if state.frozen else "not frozen"
    no_backup = [] if step.backup in history.settled else ["there is no backup of this rollout to restore"]
    why = "; ".join([_details(name, history), *no_backup])
    return f"database {name!r} is at {state.version!r} and not back at {step.since!r}; it is {now}. {why}"


def _details(name: str, history: History) -> str:
    """Return what became of the steps of the way back that did not come about."""
    ids = [i for kind in (Migrate, Freeze, Restore, Thaw) for i in undone(name, history, kind)]
    return "; ".join(detail for i in ids if (detail := history.undo_details.get(i, "")).startswith(GIVEN_UP))
