"""What follows the promotion of a rollback whose databases could not follow: they are made safe, and a person is asked.

A pure function of plan, journal and what is seen, as `fairdeploy.engine.undo_database` is. The application stays where
it went back to. A database that did not get there is frozen, so that nothing is written that nobody can read; half a
migration is replaced by the backup that was taken before it, if that loses nothing or the plan consents to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.history import GIVEN_UP
from fairdeploy.engine.undo_database import as_it_was, backup_ms, undo_id, undone
from fairdeploy.model import DatabaseSeen, Freeze, Migrate, Restore, Thaw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairdeploy.engine.history import History
    from fairdeploy.engine.undo_database import Sight
    from fairdeploy.model import Step

__all__ = ["left_frozen", "next_rescue", "still_open"]


def next_rescue(history: History, seen: Mapping[str, Sight]) -> Step | None:
    """Return the next step, or ``None`` if nothing more can be done unattended.

    Args:
        history: The rollout's journal.
        seen: What is there now, by name, of each of `History.given_up`.
    """
    for name in history.given_up:
        state, back = seen[name], _back(name, history)
        if isinstance(state, DatabaseSeen) and back is not None:
            for step in _made_safe(back, state, history):
                return step
    return None


def still_open(history: History, seen: Mapping[str, Sight]) -> tuple[str, ...]:
    """Return what has to be looked at by a person: a sentence for each database."""
    found = []
    for name, why in history.given_up.items():
        state, back = seen[name], _back(name, history)
        if isinstance(state, str):
            now = state
        elif back is None:
            now = f"database {name!r} is at {state.version or 'no version'!r}{_frozen(state)}"
        else:
            to = repr(back.to) if isinstance(back, Migrate) else back.source
            now = f"database {name!r} was to go back to {to} and is at {state.version!r}{_frozen(state)}"
        told = (history.undo_details.get(step, "") for step in undone(name, history, Restore))
        found.append("; ".join([f"{now}: {why}", *(each for each in told if each.startswith(GIVEN_UP))]))
    found += [
        f"database {name!r} is frozen: it can be read, not written, until a person has decided"
        for name in left_frozen(history)
    ]
    return tuple(found)


def left_frozen(history: History) -> tuple[str, ...]:
    """Return the databases that the plan itself has frozen, and leaves so."""
    frozen: dict[str, bool] = {}
    for step in history.plan.steps:
        if isinstance(step, Freeze | Thaw) and step.id in history.settled:
            frozen[step.database] = isinstance(step, Freeze)
    return tuple(name for name, on in frozen.items() if on and name not in history.given_up)


def _frozen(state: DatabaseSeen) -> str:
    return ", frozen" if state.frozen else ""


def _back(name: str, history: History) -> Migrate | Restore | None:
    """Return the step by which a database was to go back; what went forward stays."""
    for step in history.plan.steps:
        if isinstance(step, Restore) and step.database == name:
            return step
        if isinstance(step, Migrate) and step.database == name and step.phase == "back":
            return step
    return None


def _made_safe(step: Migrate | Restore, state: DatabaseSeen, history: History) -> Iterator[Step]:
    name = step.database
    # What a restore puts in its place can be written again, also if its end was never recorded.
    done = [
        s
        for s in history.undone
        if isinstance(s, Restore) or (isinstance(s, Freeze) and s.id in history.undo_settled)
    ]
    last = next((s for s in reversed(done) if s.database == name), None)
    if not state.frozen and not isinstance(last, Freeze):
        yield Freeze(undo_id(history, "freeze"), target=step.target, database=name)
    if not isinstance(step, Migrate) or step.id not in history.intended or as_it_was(step, state):
        return
    if step.backup in history.settled and not undone(name, history, Restore):
        yield Restore(
            undo_id(history, "restore"),
            target=step.target,
            database=name,
            backup=step.backup,
            accept="any" if step.on_loss == "restore" else "",
            deadline_ms=backup_ms(step, history),
        )
