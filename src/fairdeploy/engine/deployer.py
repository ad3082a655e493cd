"""The facade that applications hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, final

from fairdeploy.analysis import with_power
from fairdeploy.engine.beginning import begun
from fairdeploy.engine.desk import Desk
from fairdeploy.engine.ends import failure
from fairdeploy.engine.going_back import aborted, gone_back
from fairdeploy.engine.holds import refuse_on_hold
from fairdeploy.engine.hosting import OnExit, hosted
from fairdeploy.engine.lease import OnConflict, make_way, refuse_unknown
from fairdeploy.engine.place import place_of, standing
from fairdeploy.engine.planning import completed, known_releases, observed, refuse_unfit, sealed
from fairdeploy.engine.recoverer import recover_all, recover_one
from fairdeploy.engine.rollout import Rollout
from fairdeploy.engine.status import Status
from fairdeploy.engine.validating import refuse_invalid
from fairdeploy.engine.verb import carry, found, restart, through
from fairdeploy.errors import (
    DeploymentError,
    InvalidInput,
    StalePlan,
)
from fairdeploy.journal import SystemClock
from fairdeploy.model import RolloutId, RolloutResult, Target
from fairdeploy.model._check import flag, milliseconds
from fairdeploy.strategies import contract_plan, scale_plan

if TYPE_CHECKING:
    from datetime import timedelta

    from fairdeploy.model import Check, Plan, Release
    from fairdeploy.protocols import (
        Backend,
        Clock,
        Database,
        HealthCheck,
        MetricSource,
        RolloutInfo,
        Strategy,
    )

__all__ = ["Deployer"]

_DEFAULT = "default"


@final
class Deployer:
    """Plans rollouts, runs them, and brings back what others left.

    Holds no connection and starts nothing by itself: make as many as you like.

    Args:
        backend: Where revisions run, or several by name for plans over more than one.
        checks: Checks that every plan gets, by name: values such as `HTTPCheck`, which travel
            in the plan, or any async callable, which is bound by its name.
        sources: Of metrics, by the names that `BoundSource` gives them.
        databases: By the names that `Migrated` and the steps on databases give them.
        clock: Time; another one only in tests.
        lease: Time to live of a lease, a ``timedelta`` or seconds, at least 1 second. A dead
            program's rollout on another machine can be recovered after it.
        validate: Whether `run` and `deploy` look first whether it can work; see `DeploymentValidator`.

    Raises:
        InvalidInput: If there is no backend, or the lease is too short.

    Example:
        >>> deployer = Deployer(backend, checks={"api": HTTPCheck("/health")})  # doctest: +SKIP
        >>> result = await deployer.deploy(target, release, Canary())  # doctest: +SKIP
    """

    def __init__(
        self,
        backend: Backend | Mapping[str, Backend],
        *,
        checks: Mapping[str, Check | HealthCheck] | None = None,
        sources: Mapping[str, MetricSource] | None = None,
        databases: Mapping[str, Database] | None = None,
        clock: Clock | None = None,
        lease: timedelta | float = 15.0,
        validate: bool = True,
    ) -> None:
        """Take what a deployer needs; nothing is opened."""
        backends = dict(backend) if isinstance(backend, Mapping) else {_DEFAULT: backend}
        if not backends:
            raise InvalidInput("a Deployer needs a backend, and none was given")
        flag(validate, "validate")
        self._validate = validate
        self._desk = Desk(
            backends=backends,
            checks=dict(checks or {}),
            sources=dict(sources or {}),
            databases=dict(databases or {}),
            clock=clock or SystemClock(),
            ttl_ms=milliseconds(lease, "lease", low=1_000),
        )

    # Planning.

    async def plan(
        self,
        target: Target,
        release: Release,
        strategy: Strategy,
        *,
        backend: str | None = None,
        requests_per_second: float | None = None,
    ) -> Plan:
        """Return what a strategy would do. Changes nothing.

        Args:
            target: Where.
            release: What.
            strategy: How.
            backend: Name of the backend, if there are several.
            requests_per_second: Of the target's users; the plan then says what its comparisons can tell from that.

        Raises:
            UnsupportedCapability: If the backend cannot do what the plan needs.
            Unbound: If a secret of the release cannot be found.
            StartError: If the release cannot be started at all.
            Refused: If the target cannot be served now.
            BackendError: If the target cannot be observed.
        """
        name, place = place_of(self._desk, target, backend)
        refuse_unfit(release, strategy)
        deployment = await observed(place, target)
        plan = strategy.plan(sealed(release, place.journal.key), target, deployment, place.capabilities)
        if requests_per_second is not None:
            plan = with_power(plan, requests_per_second=requests_per_second)
        desk = self._desk
        return await completed(
            plan, backend=place, name=name, checks=desk.checks, sources=desk.sources, databases=desk.databases
        )

    # Running.

    @asynccontextmanager
    async def run(
        self,
        plan: Plan,
        *,
        on_conflict: OnConflict = "refuse",
        on_exit: OnExit = "abort",
        validate: bool | None = None,
    ) -> AsyncIterator[Rollout]:
        """Run a plan while the body runs, and until it has ended.

        Enter and leave it in one task (in a notebook: in one cell).

        Args:
            plan: From `plan`; approved elsewhere, if need be, by its ``hash``.
            on_conflict: What to do if another rollout acts on a target: ``refuse``, ``queue``
                behind it, or ``supersede`` it.
            on_exit: What follows if the body is left by an exception or cancelled before the
                end: ``abort`` goes back and waits until it is back. With ``detach`` the
                rollout is left as it is, however the body is left; after a `Rollout.resume` (or
                another command) `recover` goes on with it.
            validate: Look first whether it can work; ``None``: as this deployer was told.

        Yields:
            The rollout.

        Raises:
            ValidationError: If something critical was found before anything moved.
            StalePlan: If a target has moved since the plan was made.
            LeaseHeld: If another rollout acts on a target, with ``refuse``.
            Unbound: If the plan names a check that this deployer was not given.
            JournalError: If the journal cannot be written.
        """
        refuse_unknown(on_exit, OnExit, "on_exit")
        if self._validate if validate is None else validate:
            await refuse_invalid(self._desk, plan)
        run, journal = await begun(self._desk, plan, on_conflict)
        async with hosted(run, journal, on_exit=on_exit) as rollout:
            yield rollout

    async def _recover(self, info: RolloutInfo) -> None:
        await recover_one(self._desk, self._desk.journal(info.plan), info)

    async def deploy(
        self,
        target: Target,
        release: Release,
        strategy: Strategy,
        *,
        backend: str | None = None,
        on_conflict: OnConflict = "refuse",
        validate: bool | None = None,
    ) -> RolloutResult:
        """Plan, validate, run and wait.

        Raises:
            DeploymentError: Unless it was promoted; it carries the result and its evidence.
            Refused: As `plan` and `run` do, before anything has changed.
        """
        _, place = place_of(self._desk, target, backend)
        await refuse_on_hold(place.journal, target.id)
        while True:
            await make_way(place.journal, (target.id,), on_conflict, self._recover)
            plan = await self.plan(target, release, strategy, backend=backend)
            if self._validate if validate is None else validate:
                await refuse_invalid(self._desk, plan)
            try:
                result = await through(self._desk, plan, on_conflict)
            except StalePlan:
                # Another one that waited was faster: plan again for what it has left.
                if on_conflict == "refuse":
                    raise
                continue
            if result.promoted:
                return result
            raise DeploymentError(await failure(place.journal, plan, result), result)

    # Verbs of their own: nothing that a deploy would do by surprise.

    async def scale(self, target: Target, replicas: int, *, backend: str | None = None) -> RolloutResult:
        """Change the number of replicas of the stable revision.

        Raises:
            UnknownTarget: If nothing is deployed there.
            DeploymentError: If it could not be done.
        """
        name, place, now = await standing(self._desk, target, backend)
        release = (await known_releases(place.journal, target)).get(str(now.stable))
        return await carry(self._desk, scale_plan(target, now, replicas, release=release), name)

    async def restart(self, target: Target, *, backend: str | None = None) -> RolloutResult:
        """Replace every instance of the stable revision, one after the other, without losing requests.

        Raises:
            UnknownTarget: If nothing is deployed there.
            Refused: If the journal does not know the release.
            DeploymentError: If it could not be done.
        """
        return await restart(self._desk, target, backend)

    async def contract(
        self, target: Target, database: str, to: str, *, backup: bool = True, backend: str | None = None
    ) -> RolloutResult:
        """Migrate a database to what older revisions cannot live with: it ends the rollback window.

        Args:
            target: Where; its stable revision is the one to live with it.
            database: Its name in ``databases``.
            to: The version.
            backup: Whether a backup is taken and proved first.
            backend: Name of the backend, if there are several.

        Raises:
            UnknownTarget: If nothing is deployed there.
            Refused: If it is done already, or the database is frozen.
            Unbound: If the database is not given.
            DeploymentError: If it could not be done; from its promotion on nobody goes back all the same.
        """
        name, place, now = await standing(self._desk, target, backend)
        release = (await known_releases(place.journal, target)).get(str(now.stable))
        plan = contract_plan(target, now, database=database, to=to, backup=backup, release=release)
        return await carry(self._desk, plan, name)

    # Going back.

    async def rollback(
        self,
        target: Target,
        *,
        to: str | None = None,
        reason: str = "",
        backend: str | None = None,
        verify: bool = False,
    ) -> RolloutResult:
        """Go back to a verified revision: at once if it is still warm, else it is started first.

        If a rollout is under way and no version is named, that rollout is aborted: its base is
        what there is to go back to.

        Args:
            target: Where.
            to: A version or revision id; ``None``: the last verified one before the present.
            reason: For the record.
            backend: Name of the backend, if there are several.
            verify: Ask the deployer's checks of the earlier revision's instances before they get traffic.

        Raises:
            RollbackError: If there is nothing to go back to, or it could not be reached.
            UnknownTarget: If nothing is deployed there.
        """
        return await gone_back(self._desk, target, to=to, reason=reason, backend=backend, verify=verify)

    async def abort(
        self, target: Target, *, reason: str = "", backend: str | None = None
    ) -> RolloutResult | None:
        """Send back whatever rollout acts on a target; ``None`` if there is none.

        If the program that drove it is dead, it is recovered here.

        Raises:
            JournalError: If the journal cannot be read or written.
        """
        return await aborted(self._desk, target, reason=reason, backend=backend)

    # From any process.

    async def attach(self, rollout_id: RolloutId) -> Rollout:
        """Return a rollout that anybody runs or ran, to read and to steer it.

        Raises:
            UnknownRollout: If no journal holds it.
        """
        return await found(self._desk, rollout_id)

    async def recover(self) -> tuple[RolloutResult, ...]:
        """Bring what dead programs left to one of its ends, and end warm windows that are over.

        A rollout whose promotion was intended goes forward, any other back to its base (or
        on, if its plan says ``on_crash="resume"``). Rollouts that somebody drives, or that are
        parked, are left alone. A journal that is busy is tried again for 30 s.

        Raises:
            Unbound: If one must go forward and a check that it needs is not given.
            JournalError: If a journal cannot be read or written.
        """
        return await recover_all(self._desk)

    async def status(self, target: Target, *, backend: str | None = None) -> Status:
        """Return what a target looks like now.

        Raises:
            BackendError: If it cannot be observed.
        """
        _, place = place_of(self._desk, target, backend)
        deployment = await observed(place, target)
        infos = await place.journal.rollouts(target.id, unfinished=True)
        return Status(target, deployment=deployment, rollout=next((i for i in infos if i.open), None))

    async def history(self, target: Target, *, backend: str | None = None) -> tuple[RolloutInfo, ...]:
        """Return every rollout of a target, oldest first.

        Raises:
            JournalError: If the journal cannot be read.
        """
        _, place = place_of(self._desk, target, backend)
        return await place.journal.rollouts(target.id)
