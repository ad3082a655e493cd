"""What comes next on the way back: targets before databases, and past a promotion only what could not follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.database_rescue import next_rescue, still_open
from fairdeploy.engine.undo import next_undo
from fairdeploy.engine.undo_database import databases_of, next_database_undo, unresolved

if TYPE_CHECKING:
    from fairdeploy.engine.database_look import DatabaseLooks
    from fairdeploy.engine.run import Run
    from fairdeploy.model import Step

__all__ = ["next_back"]


async def next_back(run: Run, looks: DatabaseLooks, found: list[str]) -> Step | None:
    """Return the next step of the way back; at its end say what a person has to look at.

    Args:
        run: The rollout.
        looks: At its databases.
        found: Takes what was found.

    Raises:
        Fenced: If somebody has taken over.
        FairdeployError: If something cannot be looked at for now.
    """
    history = run.history
    if history.promoting:
        seen = await looks.look(history.given_up)
        if (step := next_rescue(history, seen)) is None:
            found += still_open(history, seen)
        return step
    step = next_undo(history, await run.look_everywhere())
    if step is None:
        # The traffic is back: whatever becomes of the databases, it waits for none of them.
        seen = await looks.look(databases_of(history))
        if (step := next_database_undo(history, seen)) is None:
            found += unresolved(history, seen)
    return step
