"""Going back by itself, with everything that belongs to it: traffic, databases, holds, and who must know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine.holds import Hold, hold_target, holds_of, refuse_on_hold, release
from fairdeploy.engine.place import place_of
from fairdeploy.errors import InvalidInput, Refused, UnknownRollout
from fairdeploy.rollback.capturing import captured, kept, looked_at
from fairdeploy.rollback.choosing import legs_of, refuse_gone, ways_of
from fairdeploy.rollback.databases import put_back, take_back, thawed
from fairdeploy.rollback.emergency import Emergency
from fairdeploy.rollback.going import Journey
from fairdeploy.rollback.managed import refuse_ahead
from fairdeploy.rollback.watching import Watch

if TYPE_CHECKING:
    from fairdeploy.engine import Deployer
    from fairdeploy.engine.desk import Desk
    from fairdeploy.health import HealthRule
    from fairdeploy.model import DeploymentState, OnLoss, Release, RolloutId, RolloutResult, Target
    from fairdeploy.model.check import Asked
    from fairdeploy.protocols import HealthCheck, RolloutInfo
    from fairdeploy.rollback.databases import DatabaseRollback
    from fairdeploy.rollback.ladder import Way
    from fairdeploy.rollback.managed import ManagedDatabase, OnAhead
    from fairdeploy.rollback.report import RollbackReport

__all__ = ["RollbackManager"]


@final
class RollbackManager:
    """Goes back from a deployment with all that belongs to it, by the deployer's own engine.

    Args:
        deployer: Whose backends, journals, checks and engine it uses.
        databases: What no journal tells of the deployer's databases, by their names there.
        emergency: What is done when a step fails.

    Raises:
        InvalidInput: If the deployer has no database of a name.

    Example:
        >>> manager = RollbackManager(deployer)  # doctest: +SKIP
        >>> report = await manager.automated_rollback(result.rollout)  # doctest: +SKIP
    """

    def __init__(
        self,
        deployer: Deployer,
        *,
        databases: Mapping[str, ManagedDatabase] | None = None,
        emergency: Emergency | None = None,
    ) -> None:
        self._desk: Desk = deployer._desk  # noqa: SLF001 -- two faces of one engine: same backends, journals and leases
        self._databases = dict(databases or {})
        if unknown := sorted(set(self._databases) - set(self._desk.databases)):
            msg = f"the deployer has no database {unknown[0]!r}: give Deployer(databases={{{unknown[0]!r}: ...}})"
            raise InvalidInput(msg)
        self._emergency = emergency or Emergency()

    # Going back.

    async def automated_rollback(
        self,
        deployment_id: RolloutId,
        *,
        to: str | None = None,
        reason: str = "",
        database: OnAhead = "refuse",
        accept: str = "",
        hold: bool = True,
    ) -> RollbackReport:
        """Go back from a deployment to a verified version, and put the target on hold.

        In this order: what is there is written down; a plan of the engine raises the earlier version, asks the
        deployer's checks of it, gives it the traffic, stops the one that is left, and takes databases back as
        ``database`` says; the target is on hold from when it begins; the checks are asked once more; everybody is told.
        What was deployed together goes back together. If a step fails, the emergency procedure follows, and the report
        says so. If this program dies, whoever recovers the plan brings it to its end.

        Args:
            deployment_id: The rollout to go back from: what serves now, or what is under way.
            to: A version or revision id; ``None``: the last verified one before.
            reason: For the record.
            database: What follows where a database is newer than the version to go back to; see `OnAhead`.
            accept: The digest of a database's loss that is agreed to, with ``back``.
            hold: Whether the target is on hold from now on.

        Returns:
            What was done. A failed step is told there, not raised.

        Raises:
            UnknownRollout: If no journal holds such a deployment.
            TargetOnHold: If the target is on hold: it was gone back from already.
            Refused: If the deployment is a rollback itself, went back already, or is not what serves; if a database is
                newer than the code, or a contract was done. Nothing has changed.
            RollbackError: If nothing verified is there to go back to. Nothing has changed.
        """
        info = await self.get_deployment(deployment_id)
        for base in info.plan.bases:
            await refuse_on_hold(self._desk.backend(base.backend).journal, base.target.id)
        await refuse_gone(self._desk, info)
        legs = await legs_of(self._desk, info, to)
        ways: dict[str, Way] = {}
        for leg, earlier in legs:
            found = await ways_of(self._desk, self._databases, leg, earlier, database)
            ways |= {way.database: way for way in refuse_ahead(found, earlier.version, database)}
        journey = Journey(
            desk=self._desk,
            info=info,
            legs=[leg for leg, _ in legs],
            ways=tuple(ways.values()),
            on_ahead=database,
            accept=accept,
            emergency=self._emergency,
            reason=reason,
            hold=hold,
        )
        return await journey.go()

    async def database_rollback(
        self,
        migration_version: str,
        *,
        database: str | None = None,
        target: Target | None = None,
        backend: str | None = None,
        accept: str = "",
        on_failure: OnLoss = "freeze",
    ) -> DatabaseRollback:
        """Take a database's schema back to a version; if that breaks half-way, put it back as it was.

        A plan of the engine: a backup, proved by restoring it; the way back tried on its copy; only then the database
        itself. If this program dies, whoever recovers the plan goes on with it.

        Args:
            migration_version: Where to.
            database: Its name in the deployer, if there are several.
            target: For whose sake: its lease keeps others out; ``None``: the only one that any rollout was about.
            backend: Name of the backend, if there are several.
            accept: The digest of the loss that is agreed to, if going back takes rows or values away.
            on_failure: What follows if the way back breaks half-way and the backup would lose rows; see `OnLoss`.

        Returns:
            Where it is now.

        Raises:
            InvalidInput: If there is no such database, or no target is known.
            ConsentRequired: If rows or values would be lost; nothing has changed.
            Refused: If the database is frozen, or another rollout acts on the target; nothing has changed.
            RollbackError: If it could not go back: the message says in what state the database is, and what to do.
        """
        return await take_back(
            self._desk,
            migration_version,
            database=database,
            place=(target, backend),
            accept=accept,
            on_failure=on_failure,
        )

    async def restore_backup(
        self,
        rollout: RolloutId,
        *,
        database: str | None = None,
        accept: str = "",
    ) -> RolloutResult:
        """Put the backup that a rollout took in the place of the database in use, which is kept beside.

        Where it took none, but migrated, it is the newest snapshot from before it that somebody keeps.

        Args:
            rollout: Which one took it.
            database: Its name in the deployer, if there are several.
            accept: The digest of the loss that is agreed to; ``"any"``: whatever it is.

        Returns:
            How that ended; its journal tells where the database before is kept.

        Raises:
            UnknownRollout: If no journal holds the rollout.
            RollbackError: If it took no backup of the database, or that could not be restored.
            ConsentRequired: If something would be lost that nobody has agreed to lose; nothing has changed.
        """
        return await put_back(
            self._desk, await self.get_deployment(rollout), database=database, accept=accept
        )

    async def thaw(
        self, database: str | None = None, *, target: Target | None = None, backend: str | None = None
    ) -> RolloutResult:
        """Let a database be written again that a rollback has left frozen.

        Raises:
            InvalidInput: As `database_rollback`.
            RollbackError: If it could not be done.
        """
        return await thawed(self._desk, database, (target, backend))

    # Reading.

    async def get_deployment(self, deployment_id: RolloutId) -> RolloutInfo:
        """Return what the journal knows of a deployment.

        Raises:
            UnknownRollout: If no journal holds it.
        """
        for journal in self._desk.journals():
            for info in await journal.rollouts():
                if info.id == deployment_id:
                    return info
        msg = f"no journal holds a deployment {deployment_id!r}: see Deployer.history(target) for those there are"
        raise UnknownRollout(msg)

    async def get_previous_stable_version(self, deployment_id: RolloutId) -> Release:
        """Return the release that a deployment would go back to: the last verified one before it.

        Raises:
            UnknownRollout: If no journal holds the deployment.
            RollbackError: If nothing was verified before it.
        """
        info = await self.get_deployment(deployment_id)
        ((_, earlier), *_) = await legs_of(self._desk, info, None)
        return earlier

    async def capture_state(
        self, target: Target, *, label: str = "", backend: str | None = None
    ) -> DeploymentState:
        """Write down what a target and its databases are like, in the journal, and return it.

        Raises:
            Refused: If nothing was ever deployed there.
            BackendError: If it cannot be observed.
        """
        _, place = place_of(self._desk, target, backend)
        infos = await place.journal.rollouts(target.id)
        if not infos:
            msg = f"target {target.id!r} has no rollout that a state could be kept with: deploy there first"
            raise Refused(msg)
        state = await looked_at(place, target, self._desk.databases, self._desk.clock)
        await captured(place, infos[-1].id, state, label)
        return state

    async def states(self, target: Target, *, backend: str | None = None) -> tuple[DeploymentState, ...]:
        """Return every state of a target that was written down, oldest first.

        Raises:
            JournalError: If the journal cannot be read.
        """
        return await kept(place_of(self._desk, target, backend)[1], target)

    # Holds.

    async def hold(self, target: Target, *, reason: str, backend: str | None = None) -> None:
        """Let nothing new be deployed to a target, by anybody, until `release_hold`. Going back stays possible.

        Raises:
            Refused: If nothing was ever deployed there.
            JournalError: If it cannot be written.
        """
        await hold_target(place_of(self._desk, target, backend)[1].journal, target.id, reason)

    async def holds(self, target: Target, *, backend: str | None = None) -> tuple[Hold, ...]:
        """Return the holds on a target, oldest first.

        Raises:
            JournalError: If the journal cannot be read.
        """
        return await holds_of(place_of(self._desk, target, backend)[1].journal, target.id)

    async def release_hold(
        self, target: Target, *, reason: str = "", backend: str | None = None
    ) -> tuple[Hold, ...]:
        """Release every hold on a target, and return what was released.

        Raises:
            JournalError: If it cannot be written.
        """
        return await release(place_of(self._desk, target, backend)[1].journal, target.id, reason)

    # By itself.

    @asynccontextmanager
    async def watching(
        self,
        target: Target,
        checks: Mapping[str, Asked | HealthCheck | HealthRule] | None = None,
        *,
        every: float = 1.0,
        failures: int = 3,
        database: OnAhead = "freeze",
        backend: str | None = None,
    ) -> AsyncIterator[Watch]:
        """Watch what serves while the body runs, and go back from it if it fails.

        Whoever fails ``failures`` looks in a row is gone back from; ``error`` and ``no_data`` are no failures, nor is
        what all revisions share. A rollout that a verdict sent back puts the target on hold too. What was itself gone
        back to is never gone back from, and nothing is done on hold.

        Args:
            target: Where.
            checks: What is asked; default: the deployer's checks.
            every: Seconds between two looks, 0.01 to 3,600.
            failures: Looks in a row, 1 to 1,000.
            database: See `automated_rollback`.
            backend: Name of the backend, if there are several.

        Yields:
            The watch, with the reports of what it did.

        Raises:
            InvalidInput: If there is nothing to ask, or a value is out of range.
        """
        _, place = place_of(self._desk, target, backend)
        watch = Watch.of(
            self, self._desk, target, place, checks, every=every, failures=failures, on_ahead=database
        )
        left: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.keep)
            try:
                yield watch
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 -- raised again below, as it is, once nothing is half done
                left = error
            tasks.cancel_scope.cancel()
        if left is not None:
            raise left
