"""The backend of one Compose project on one Docker Engine."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, final

from anyio import to_thread

from fairdeploy.backends.compose import (
    _jobs,
    _keeping,
    _moving,
    _opening,
    _parts,
    _persisting,
    _starting,
    _watching,
)
from fairdeploy.backends.compose._engine import Engine
from fairdeploy.backends.compose._observing import deployment, note_ready, running
from fairdeploy.backends.compose._site import Site
from fairdeploy.backends.compose._words import last_words
from fairdeploy.errors import BackendError
from fairdeploy.host import _files
from fairdeploy.model import Capability

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from fairdeploy.model import Deployment, InstanceId, Job, Release, RevisionId, Target
    from fairdeploy.protocols import Fence, JobState, Journal, Keeper, TrafficRouter, Validation

__all__ = ["ComposeBackend"]

_OWN: Final = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS, Capability.FENCED})


@final
class ComposeBackend:
    """Deploys services of a user's own Compose file, without a gap, beside what `docker compose` does with it.

    Open it with `ComposeBackend.open`. Compose makes the containers, from the user's files and one more file that
    holds only what the release changes; so networks, volumes, secrets, configs and limits are as the files say.
    Containers are stopped and removed one by one through the Engine, never by scaling down, for that would
    remove the newest. Nothing is ever done to other services, and orphans are left alone.

    What runs already is adopted: it is the stable revision until another is promoted.

    An older epoch is refused by all programs that use the same home. The Docker Engine itself refuses nobody:
    who uses ``docker`` by hand is not fenced.
    """

    def __init__(
        self,
        site: Site,
        *,
        router: TrafficRouter | None,
        journal: Journal,
        owned: AsyncExitStack,
        watched_by: Keeper | None = None,
    ) -> None:
        self._site = site
        self._watched_by = watched_by
        self._router = router
        self._journal = journal
        self._owned = owned

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        files: str | Path | Sequence[str | Path],
        service: str | Sequence[str] | None = None,
        *,
        home: str | Path | None = None,
        project: str = "",
        profiles: Sequence[str] = (),
        env_files: Sequence[str | Path] = (),
        port: int | None = None,
        shared: Sequence[str] = (),
        persist: bool = False,
        move_ports: bool = False,
        keep_stopped: float = 0,
        keeper: Keeper | None = None,
        router: TrafficRouter | None = None,
        light: bool = False,
        envoy_image: str = "",
        journal: Journal | None = None,
        guard: bool | None = None,
        bindings: str | None = None,
    ) -> AsyncGenerator[ComposeBackend]:
        """Open a project. Nothing is changed, and nothing is restarted.

        Args:
            files: The Compose file, or several to be merged, or a ``compose://`` URI as in `uri`. A
                ``compose.override.yaml`` beside a single file of a default name is read as Compose does.
            service: Which service, or services, are deployed here. A target is named after its service; with one
                service, any target is meant for it.
            home: Folder of journal, router and notes; private to this user. Default: ``.fairdeploy`` beside the file.
            project: Its name; default: as Compose names it.
            profiles: Those that are active.
            env_files: Files of variables for the Compose files, instead of ``.env``.
            port: Where the service listens in its container. Default: as published, else as exposed, by file or image.
            shared: Paths in the container, each a volume mounted for writing, to which old and new copies may both
                write. A service with another such volume is refused.
            persist: Write what is promoted to ``compose.override.yaml`` beside the file, so that a later
                ``docker compose up -d`` changes nothing. Without it, that makes the containers anew as the file
                alone says; `drift` tells of it.
            move_ports: Let the router take a published port that is a target's endpoint when the last old container that
                publishes it stops. As root, none is refused meanwhile; else there is one short gap.
            keep_stopped: Seconds for which containers that have served are kept stopped when their revision goes, so that
                going back starts what is made already. Making other containers of the service ends it.
            keeper: What keeps the router; ``None``: systemd where it runs, else supervisor.
            router: What splits traffic; ``None``: Envoy on this machine, kept in the home.
            light: HAProxy in the place of that Envoy: smaller, without mirrors and sticky visitors.
            envoy_image: Runs that Envoy in containers of this image, on this machine's network; it has Envoy at
                ``/usr/local/bin/envoy``, as ``envoyproxy/envoy`` does.
            journal: Leases and records; ``None``: what the URI says, else SQLite in the home.
            guard: Keep ``python -m fairdeploy.guard`` while anything is open or due: it recovers what a dead
                program left; and, once something is promoted, a program that restarts containers that hang and tells
                the router of those that come back elsewhere. ``None``: if it finds journal, keeper and router.
            bindings: Module that declares the ``checks`` with which the guard goes forward.

        Yields:
            The backend.

        Raises:
            InvalidInput: If a file or service is not there, or Compose refuses the files, or another project's
                containers have the same project's and service's name.
            BackendError: If no Docker Engine answers, this user may not speak to it, or it is too old.
            StateError: If the home is unusable, or another project's.
            MissingDependency: If a default is needed whose extra is not installed.
        """
        folder, wanted = _opening.given(
            files,
            service,
            home,
            project=project,
            profiles=profiles,
            env_files=env_files,
            port=port,
            shared=shared,
            persist=persist,
            move_ports=move_ports,
            keep_stopped=keep_stopped,
            light=light,
            envoy_image=envoy_image,
        )
        guard = _parts.guarded(guard, journal, keeper, router)
        address = _opening.journal_of(files, journal)
        async with AsyncExitStack() as owned:
            engine = Engine()
            owned.push_async_callback(engine.aclose)
            await engine.check()
            name = await _opening.named(wanted, engine) if wanted is not None else ""
            claimed = await to_thread.run_sync(_opening.claim, folder, wanted, name)
            kept = keeper or _parts.keeper(folder)
            if journal is None:
                journal = await owned.enter_async_context(_parts.journal(folder, address))
            if guard:
                journal = _parts.with_guard(journal, kept, folder, bindings, address)
            site = Site(folder, claimed, engine, address)
            backend = cls(
                site,
                router=router or _parts.routing(site, kept),
                journal=journal,
                owned=owned,
                watched_by=kept if guard else None,
            )
            owned.push_async_callback(backend._site.readiness.aclose)
            yield backend

    @property
    def uri(self) -> str:
        """``compose://`` and the absolute path of the home; ``?journal=`` names one that is not the home's own."""
        return _opening.uri_of(self._site.home, self._site.journal)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Revisions, replicas, jobs, fences between programs of one home, and what the router can do."""
        return _OWN if self._router is None else _OWN | self._router.capabilities

    @property
    def router(self) -> TrafficRouter | None:
        """What splits traffic."""
        return self._router

    @property
    def journal(self) -> Journal:
        """Leases and records."""
        return self._journal

    async def observe(self, target: Target) -> Deployment:
        """Return what is there, as the engine shows it, and ask every container whose probe is due.

        Raises:
            BackendError: If the engine cannot be asked.
            UnknownTarget: If no service belongs to the target.
        """
        place = self._site.place(target)
        seen = await self._site.seen(place)
        standing = await self._site.readiness.look(running(seen))
        note_ready(place, seen, standing)
        return deployment(place, seen, standing)

    async def check(self, target: Target, release: Release) -> None:
        """Refuse what could not work here, and fetch the image if it is not there. Changes nothing that runs.

        Raises:
            StartError: If image, placeholders or dependencies make it impossible.
            InvalidInput: If the service is not in the files, or listens nowhere though the target has an endpoint.
            Refused: If another program has the endpoint.
        """
        from fairdeploy.backends.compose._checking import check  # noqa: PLC0415 -- when a plan is made

        await check(self._site, self._router, target, release)

    def validations(self) -> tuple[Validation, ...]:
        """Return what else to look at: whether a published port will move, and how."""
        return (_moving.explanation(self._site),)

    async def ensure(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[InstanceId] = frozenset(),
    ) -> None:
        """Bring a revision to ``replicas`` containers that do not quiesce, and stop those in ``drained``.

        Raises:
            StartError: If its image is not there, or Compose cannot start it; what it had made is removed again.
            Unbound: If a secret cannot be found.
            Fenced: If a newer epoch was seen.
        """
        place = self._site.place(target)
        async with self._site.changing(place, fence) as lock:
            seen = await _keeping.awake(self._site, place, revision)
            record = await self._site.settled(place, seen.paper, release)
            mine = seen.of(revision)
            going = [each for each in mine if each.instance in drained]
            staying = [
                each for each in mine if each not in going and each.instance not in seen.paper.quiescing
            ]
            if record.replicas != replicas:
                place.write(_starting.wanted(record, replicas))
                if self._site.project.persist and seen.paper.stable == revision:
                    await to_thread.run_sync(_persisting.write, self._site)
            missing = max(0, replicas - len(staying))
            if missing or any(each.state in {"exited", "dead"} for each in staying):
                env = _starting.resolved(release, mine)
                await self._site.up(place, record, missing, env=env, lock=lock)
            if going:
                async with _moving.moved(self._router, target, fence):
                    await self._site.stop(place, going)

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:
        """Mark instances as on their way out.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        place = self._site.place(target)
        async with self._site.changing(place, fence):
            seen = await self._site.seen(place)
            for instance in sorted(instances & {each.instance for each in seen.everything()}):
                place.quiescing(instance).touch(mode=0o600)

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Stop every container of a revision, its jobs too, and forget it.

        Raises:
            BackendError: If it is the stable revision.
            Fenced: If a newer epoch was seen.
        """
        place = self._site.place(target)
        async with self._site.changing(place, fence):
            seen = await self._site.seen(place)
            if seen.stable == revision:
                raise BackendError(
                    f"revision {revision!r} is the stable one of {target.id!r}: promote another before removing it"
                )
            jobs = await self._site.engine.containers(
                _jobs.labels(self._site.project.name, place.service, place.target, revision)
            )
            if self._site.project.keep_stopped_ms and place.served(revision).exists():
                await self._site.engine.stop_all(jobs)
                await _keeping.keep(self._site, place, revision, seen)
                return
            async with _moving.moved(self._router, target, fence):
                await self._site.stop(place, [*seen.of(revision), *jobs])
            await to_thread.run_sync(_files.remove_folder, place.revision(revision))

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Write the stable mark, durably.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        place = self._site.place(target)
        async with self._site.changing(place, fence):
            seen = await self._site.seen(place)
            if revision not in seen.paper.records and revision not in seen.found:
                raise BackendError(f"revision {revision!r} is not there to be promoted: ensure it first")
            _files.write_json(place.stable, {"revision": revision}, durable=True)
            if revision in seen.paper.records:
                place.served(revision).touch(mode=0o600)
            await _keeping.drop(self._site)
            if self._site.project.persist:
                await to_thread.run_sync(_persisting.write, self._site)
            await to_thread.run_sync(_watching.remember, self._site, target)
        if self._watched_by is not None:
            await _watching.keep(self._watched_by, self._site)

    async def execute(
        self, target: Target, revision: RevisionId, release: Release, job: Job, fence: Fence
    ) -> JobState:
        """Run a job once per key as a one-off container, and return how far it has come.

        Raises:
            StartError: If it cannot be started.
            Fenced: If a newer epoch was seen.
        """
        place = self._site.place(target)
        async with self._site.changing(place, fence) as lock:
            seen = await self._site.seen(place)
            record = await self._site.settled(place, seen.paper, release)
            env = _starting.resolved(release, seen.of(revision))
            return await _jobs.execute(self._site, place, record, job, key=fence.key, env=env, lock=lock)

    async def drift(self, target: Target) -> tuple[str, ...]:
        """Return what others have changed of the target, each a sentence: such as a later `docker compose up` by hand.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        return _persisting.drift(await self._site.seen(self._site.place(target)))

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """Return the last lines that each container has written; a mask stands for each secret of the release."""
        return await last_words(self._site, self._site.place(target), revision, lines)
