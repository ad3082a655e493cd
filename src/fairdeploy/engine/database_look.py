"""Looking at databases on the way back: claimed first, where somebody else acted before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from fairdeploy.engine.database_steps import configured, otherwise, unbound
from fairdeploy.engine.undo_database import Sight
from fairdeploy.errors import FairdeployError, Fenced
from fairdeploy.model import DatabaseStep, Migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fairdeploy.engine.run import Run
    from fairdeploy.protocols import Database

__all__ = ["DatabaseLooks"]

_CLAIM = "claim"
_PATIENCE = 30.0
"""Seconds for which a database that does not answer is asked again, before a person is told."""


@final
@dataclass(slots=True)
class DatabaseLooks:
    """Looks at what a rollout may have changed."""

    run: Run
    claimed: set[str] = field(default_factory=set)
    silent: dict[str, float] = field(default_factory=dict)

    async def look(self, names: Iterable[str]) -> Mapping[str, Sight]:
        """Return what is there, or why it cannot be seen.

        Raises:
            Fenced: If somebody has taken over.
            FairdeployError: If a database does not answer, and may soon.
        """
        return {name: await self._one(name) for name in names}

    async def _one(self, name: str) -> Sight:
        database = self.run.databases.get(name)
        if database is None:
            return unbound(name)
        if not self._same(name, database):
            return otherwise(name)
        try:
            if self.run.history.taken_over and name not in self.claimed:
                fence = await self.run.tenure.fence(_CLAIM)
                for target in self._targets(name):
                    await database.claim(target, fence)
                self.claimed.add(name)
            state = await database.observe()
        except Fenced:
            raise
        except FairdeployError as error:
            now = self.run.clock.monotonic()
            since = self.silent.setdefault(name, now)
            if error.retryable and now - since < _PATIENCE:
                raise
            return f"database {name!r} cannot be looked at: {error}"
        self.silent.pop(name, None)
        return state

    def _targets(self, name: str) -> tuple[str, ...]:
        steps = self.run.history.plan.steps
        return tuple(
            dict.fromkeys(s.target for s in steps if isinstance(s, DatabaseStep) and s.database == name)
        )

    def _same(self, name: str, database: Database) -> bool:
        made_for = {
            step.configuration
            for step in self.run.history.plan.steps
            if isinstance(step, Migrate) and step.database == name and step.configuration
        }
        return made_for <= {configured(database)}
