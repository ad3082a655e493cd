"""The backend of one machine: processes, files, a keeper."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

import anyio
import anyio.to_thread

from fairdeploy.backends.local import _jobs, _opening, _parts, _scan, _starting, _validating, _watching
from fairdeploy.backends.local._layout import Layout
from fairdeploy.backends.local._observing import deployment, running
from fairdeploy.backends.local._readiness import Readiness
from fairdeploy.backends.local._words import last_words
from fairdeploy.errors import BackendError
from fairdeploy.host import _epoch, _files, _guarding, _lock
from fairdeploy.host._home import Home
from fairdeploy.host._together import together
from fairdeploy.host.launch import free_port
from fairdeploy.model import Capability

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from fairdeploy.backends.local._record import Record
    from fairdeploy.model import Deployment, InstanceId, Job, Release, RevisionId, Target
    from fairdeploy.protocols import Fence, JobState, Journal, Keeper, TrafficRouter, Validation

__all__ = ["LocalBackend"]

_OWN = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS, Capability.FENCED})
_LOCK_SECONDS = 60.0


@final
class LocalBackend:
    """Runs revisions as processes on this machine, kept by systemd or supervisor.

    Open it with `LocalBackend.open`. All truth is in the folder and in the keeper: any number of programs
    may have the same folder open at once. What is running keeps running when the last of them exits.

    An instance inherits ``HOME LANG LC_ALL LOGNAME PATH TMPDIR TZ USER`` from the program that deployed
    it, and nothing else: give the rest in `Release.env`. Its working directory, unless the release names
    one, is a folder of its revision. It listens on ``127.0.0.1`` (``{port}``) or a unix socket (``{uds}``).
    An instance that fails its liveness probe ``failures`` times in a row is killed and so started again;
    before its first success it has 60 s, or ``initial_delay_ms`` if that is longer.
    """

    def __init__(
        self,
        home: Home,
        place: _opening.Place,
        *,
        keeper: Keeper,
        router: TrafficRouter | None,
        journal: Journal,
        owned: AsyncExitStack,
    ) -> None:
        self._folder = home.folder
        self._home = home
        self._place = place
        self._keeper = keeper
        self._router = router
        self._journal = journal
        self._owned = owned
        self._readiness = Readiness()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path | str,
        *,
        keeper: Keeper | None = None,
        router: TrafficRouter | None = None,
        journal: Journal | None = None,
        guard: bool | None = None,
        bindings: str | None = None,
    ) -> AsyncGenerator[LocalBackend]:
        """Open a folder; enter and leave it in any tasks. After a reboot, what was running is started again.

        Args:
            folder: A path, or a ``local://`` URI as in `uri`. Made if missing; private to this user.
            keeper: What keeps processes; ``None``: systemd where it runs, else supervisor.
            router: What splits traffic; ``None``: Envoy, in the same folder.
            journal: Leases and records; ``None``: what the URI says, else SQLite, in the same folder.
            guard: Keep ``python -m fairdeploy.guard`` while anything is open or due: it recovers what a dead
                program left. ``None``: if it finds the journal, and keeper and router are the folder's own.
            bindings: Module that declares the ``checks`` with which the guard goes forward. Going back needs none.

        Yields:
            The backend.

        Raises:
            InvalidInput: If a guard is asked for that could not find the journal.
            StateError: If the folder is unusable: not writable, not this user's, or not a backend's.
            MissingDependency: If a default is needed whose extra is not installed.
        """
        guard = _guarding.wanted(guard, journal, keeper, router, named=True)
        place = _opening.Place.of(folder, journal)
        await anyio.to_thread.run_sync(_opening.claim, place.folder)
        home = await anyio.to_thread.run_sync(Home.of, place.folder)
        async with AsyncExitStack() as owned:
            kept = keeper or _parts.keeper(home.folder)
            if journal is None:
                journal = await owned.enter_async_context(_parts.journal(home.folder, place.journal))
            if guard:
                journal = _guarding.journal(
                    journal, kept, home.folder, bindings, uri=place.uri, address=place.journal
                )
            backend = cls(
                home,
                place,
                keeper=kept,
                router=router or _parts.router(home.folder, kept),
                journal=journal,
                owned=owned,
            )
            owned.push_async_callback(backend._readiness.aclose)
            await _opening.revive(kept, home.folder)
            yield backend

    async def aclose(self) -> None:
        """Let go of the folder; again does nothing. What runs goes on running."""
        await self._owned.aclose()

    async def shutdown(self) -> None:
        """Stop instances, routers, guard, and what keeps them: requests under way are cut. See `Keeper.shutdown`."""
        await self._keeper.shutdown()

    @property
    def uri(self) -> str:
        """``local://`` and the absolute path, percent-encoded; ``?journal=`` names one that is not the folder's own."""
        return self._place.uri

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Revisions, replicas, jobs and fences, and what the router can do."""
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
        """Return what is there, and ask every running instance whose probe is due."""
        layout = self._layout(target)
        seen = await anyio.to_thread.run_sync(_scan.scan, layout)
        if not seen.wanted:
            return deployment(layout, seen, {}, {})
        states = await self._keeper.states()
        standing = await self._readiness.look(running(layout, seen, states))
        for each in seen.instances:
            known = standing.get(each.record.id)
            if known is not None and known.ready and not each.ever_ready:
                layout.ready(each.record.id).touch(mode=0o600)
        return deployment(layout, seen, states, standing)

    async def check(self, target: Target, release: Release) -> None:
        """Refuse a release whose program or working directory is missing, and an endpoint that cannot be served.

        Raises:
            StartError: If the program cannot be started at all.
            InvalidInput: If the endpoint's address or certificate cannot be used.
            Refused: If another program has the endpoint.
        """
        template = _starting.template(self._layout(target), release.revision, release)
        await anyio.to_thread.run_sync(_starting.check, template, release)
        if self._router is not None and target.endpoint is not None:
            await self._router.check(target)

    def validations(self) -> tuple[Validation, ...]:
        """Return what to look at on this machine before a plan is run: permissions, room, a trial instance."""
        return _validating.validations(self._folder, self._home)

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
        """Bring a revision to ``replicas`` instances that do not quiesce, and stop those in ``drained``.

        Raises:
            StartError: If the program is missing, or the keeper refuses it.
            Unbound: If a secret cannot be found.
            StateError: If the folder cannot be written.
            Fenced: If a newer epoch was seen.
        """
        layout = self._layout(target)
        template = _starting.template(layout, revision, release)
        _starting.check(template, release)
        async with self._changing(layout, fence):
            await anyio.to_thread.run_sync(_starting.write, layout, revision, release)
            seen = await anyio.to_thread.run_sync(_scan.scan, layout)
            mine = seen.of(revision)
            going = [each.record.id for each in mine if each.record.id in drained]
            staying = [each.record for each in mine if not each.quiescing and each.record.id not in drained]
            self._want(layout, seen, revision, replicas)
            made = [self._make(layout, template, release) for _ in range(replicas - len(staying))]
            await together(
                (
                    *(partial(self._stop, layout, instance) for instance in going),
                    *(partial(self._keeper.start, _starting.program(layout, r)) for r in (*staying, *made)),
                )
            )
            if release.probes.liveness is not None:
                await _watching.start(self._keeper, self._folder)

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:
        """Mark instances as on their way out.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        layout = self._layout(target)
        async with self._changing(layout, fence):
            for instance in sorted(instances):
                if layout.instance(instance).exists():
                    layout.quiescing(instance).touch(mode=0o600)

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Stop every instance and job of a revision, and forget it.

        Raises:
            BackendError: If it is the stable revision.
            Fenced: If a newer epoch was seen.
        """
        layout = self._layout(target)
        async with self._changing(layout, fence):
            seen = await anyio.to_thread.run_sync(_scan.scan, layout)
            if seen.stable == revision:
                raise BackendError(
                    f"revision {revision!r} is the stable one of {target.id!r}: promote another before removing it"
                )
            await together(
                (
                    *(partial(self._stop, layout, each.record.id) for each in seen.of(revision)),
                    partial(_jobs.stop, self._keeper, layout, revision),
                )
            )
            await anyio.to_thread.run_sync(_files.remove_folder, layout.revision(revision))
        await _watching.stop_unless_needed(self._keeper, self._folder)

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Write the stable mark, durably.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        layout = self._layout(target)
        async with self._changing(layout, fence):
            if not layout.wanted(revision).exists():
                raise BackendError(f"revision {revision!r} is not there to be promoted: ensure it first")
            _files.write_json(layout.stable, {"revision": revision}, durable=True)

    async def execute(
        self, target: Target, revision: RevisionId, release: Release, job: Job, fence: Fence
    ) -> JobState:
        """Start a job once per key, and return how far it has come.

        Raises:
            StartError: If its program is missing.
            Fenced: If a newer epoch was seen.
        """
        layout = self._layout(target)
        async with self._changing(layout, fence):
            return await _jobs.execute(self._keeper, layout, revision, release, job, key=fence.key)

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """Return the last lines that each instance has written; a mask stands for each secret that it was given."""
        layout = self._layout(target)
        return await anyio.to_thread.run_sync(last_words, layout, revision, lines)

    def _layout(self, target: Target) -> Layout:
        return Layout(self._folder, target.id)

    @asynccontextmanager
    async def _changing(self, layout: Layout, fence: Fence) -> AsyncGenerator[None]:
        """Hold the target's lock under an epoch that is not older than any seen."""
        _files.private_folder(layout.base)
        async with _lock.held(layout.lock, seconds=_LOCK_SECONDS):
            _epoch.pass_on(layout.epoch, layout.target, fence)
            yield

    def _want(self, layout: Layout, seen: _scan.Scan, revision: RevisionId, replicas: int) -> None:
        if seen.wanted.get(revision) != replicas:
            before = _files.read_json(layout.wanted(revision))
            place = _next(layout) if before is None else _scan.number(before, "number")
            _files.write_json(layout.wanted(revision), {"replicas": replicas, "number": place})

    def _make(self, layout: Layout, template: Record, release: Release) -> Record:
        """Write the file of a new instance: once it is there, whoever comes next starts it."""
        place = _next(layout)
        name = f"{template.revision}.{place}"
        words = (*release.command, *(value for value in release.env.values() if isinstance(value, str)))
        taken = frozenset(port for other in _watching.layouts(self._folder) for port in _scan.ports(other))
        record = replace(
            template,
            id=name,
            number=place,
            port=free_port(taken) if any("{port}" in word for word in words) else None,
            uds=self._home.address(layout.program(name)) if any("{uds}" in word for word in words) else None,
        )
        _files.write_json(layout.instance(name), record.encoded(layout.run(name), layout.ready(name)))
        return record

    async def _stop(self, layout: Layout, instance: InstanceId) -> None:
        layout.quiescing(instance).touch(mode=0o600)  # who looks while it ends must not count on it
        await self._keeper.stop(layout.program(instance))
        self._readiness.forget(instance)
        socket = Path(self._home.address(layout.program(instance)))  # one that was killed leaves its own
        await anyio.to_thread.run_sync(_files.remove_files, (socket, *layout.of(instance)))


def _next(layout: Layout) -> int:
    """Return a number that no instance or revision of the target has had before."""
    place = _scan.number(_files.read_json(layout.counter) or {}, "last") + 1
    _files.write_json(layout.counter, {"last": place})
    return place
