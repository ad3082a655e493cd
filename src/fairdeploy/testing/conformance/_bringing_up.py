"""The first half of the suite of backends: what it is given, and how revisions are brought up."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest

from fairdeploy.errors import StartError
from fairdeploy.model import Capability, Deployment, Job, Release, Revision, Target
from fairdeploy.protocols import Backend, Fence, Preflight
from fairdeploy.testing.conformance.suite import Conformance, Opened, expect

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BringingUp", "fence_of", "ids"]


def fence_of(key: str = "one", epoch: int = 1) -> Fence:
    """Return what goes with an effect."""
    return Fence(epoch=epoch, key=key)


def ids(revision: Revision) -> list[str]:
    """Name the instances of a revision, oldest first."""
    return [instance.id for instance in revision.instances]


class BringingUp(Conformance, suite=True):
    """What a `BackendConformance` is given, and its tests of observing and ensuring."""

    capabilities: ClassVar[frozenset[Capability]]
    target: ClassVar[Target] = Target("conformance")
    elsewhere: ClassVar[Target] = Target("conformance", environment="elsewhere")
    unstartable: ClassVar[Release] = Release("cannot", command=["/nonexistent/fairdeploy/program"])
    words: ClassVar[tuple[str, ...]] = ("one", "two", "three")
    speaking: ClassVar[Release] = Release(
        "speaks", command=["sh", "-c", "echo one; echo two; echo three; exec sleep 3600"]
    )
    exiting: ClassVar[Release | None] = Release(
        "exits", command=["sh", "-c", "echo one; echo two; echo three; exit 3"]
    )
    tells_ages: ClassVar[bool] = True
    job: ClassVar[Job] = Job("succeeds", command=["sh", "-c", "echo $$; date +%s%N"])
    failing_job: ClassVar[Job] = Job("fails", command=["sh", "-c", "exit 3"])

    def release(self, version: str) -> Release:
        """Return a release that comes up and keeps running."""
        return Release(version, command=["sleep", "3600"])

    # What the tests share.

    async def up(
        self, backend: Backend, release: Release, replicas: int = 1, fence: Fence | None = None
    ) -> Revision:
        """Bring a revision up, and wait until it is ready."""
        await backend.ensure(self.target, release.revision, release, replicas, fence or fence_of())
        return await self.until(
            backend, release, lambda seen: len(seen.ready) == replicas, f"{replicas} are ready"
        )

    async def until(
        self, backend: Backend, release: Release, fits: Callable[[Revision], object], sentence: str
    ) -> Revision:
        return await self.eventually(lambda: self.seen(backend, release), fits, sentence)

    async def seen(self, backend: Backend, release: Release) -> Revision:
        found = (await backend.observe(self.target)).revision(release.revision)
        return found or Revision(release.revision, replicas=0)

    # What it says of itself.

    async def test_capabilities_are_as_declared(self, opened: Opened[Backend]) -> None:
        """What the class declares is what the backend says, with what its router can do."""
        async with opened() as backend:
            said, router = backend.capabilities, backend.router
        expect(
            said == self.capabilities, f"capabilities must be as declared: {sorted(self.capabilities)}", said
        )
        more = frozenset() if router is None else router.capabilities - said
        expect(not more, "the router's abilities must be among the backend's", more)

    async def test_the_uri_is_the_same_however_often_it_is_opened(self, opened: Opened[Backend]) -> None:
        """It has a scheme, and a second program that opens the same gets the same."""
        async with opened() as backend, opened() as other:
            uris = (backend.uri, other.uri)
        expect(uris[0] == uris[1], "the URI must be the same for the same backend", uris)
        expect("://" in uris[0], "the URI must have a scheme, such as local://", uris)

    # Observe.

    async def test_a_target_never_seen_is_empty(self, opened: Opened[Backend]) -> None:
        """It is an empty deployment, and no error."""
        async with opened() as backend:
            seen = await backend.observe(self.target)
            said = await backend.tail(self.target, "never-seen", 5)
        expect(seen == Deployment(self.target.id), "a target never seen must be an empty deployment", seen)
        expect(said == {}, "nobody has any last words there", said)

    async def test_targets_do_not_see_each_other(self, opened: Opened[Backend]) -> None:
        """What is deployed on one is not seen, or removed, on another."""
        release = self.release("1")
        async with opened() as backend:
            await self.up(backend, release)
            seen = await backend.observe(self.elsewhere)
            await backend.remove(self.elsewhere, release.revision, fence_of())
            left = await self.seen(backend, release)
        expect(not seen.revisions, "another target must not have the revision", seen)
        expect(len(left.instances) == 1, "removing it from another target must not touch it", left)

    async def test_checking_changes_nothing(self, opened: Opened[Backend]) -> None:
        """What can be started passes; what cannot is refused, as far as that can be told before."""
        release, broken = self.release("1"), self.unstartable
        async with opened() as backend:
            if not isinstance(backend, Preflight):
                pytest.skip("it is no Preflight: it tells nothing before it is tried")
            await backend.check(self.target, release)
            with suppress(StartError):
                await backend.check(self.target, broken)
            seen = await backend.observe(self.target)
        expect(seen == Deployment(self.target.id), "checking must change nothing", seen)

    # Ensure.

    async def test_ensure_brings_a_revision_up(self, opened: Opened[Backend]) -> None:
        """Its instances come to be ready, belong to it, and are as many as were asked for."""
        release = self.release("1")
        async with opened() as backend:
            seen = await self.up(backend, release)
        expect(seen.replicas == 1, "`replicas` must be what was asked for", seen)
        expect(
            [i.revision for i in seen.instances] == [release.revision],
            "instances must name their revision",
            seen,
        )

    async def test_ensuring_twice_is_ensuring_once(self, opened: Opened[Backend]) -> None:
        """The effect is level-triggered: with the same key or another, what is done already stays as it is."""
        release = self.release("1")
        async with opened() as backend:
            before = ids(await self.up(backend, release))
            for key in ("one", "two"):
                await backend.ensure(self.target, release.revision, release, 1, fence_of(key))
            after = ids(await self.seen(backend, release))
        expect(after == before, "ensuring again must change nothing", (before, after))

    async def test_ensuring_from_several_programs_at_once_is_ensuring_once(
        self, opened: Opened[Backend]
    ) -> None:
        """Whoever comes second finds what the first has started."""
        release = self.release("1")
        async with opened() as backend, opened() as other:
            async with anyio.create_task_group() as tasks:
                for each in (backend, other, backend, other):
                    tasks.start_soon(each.ensure, self.target, release.revision, release, 1, fence_of())
            seen = await self.up(backend, release)
        expect(len(seen.instances) == 1, "calls at the same time must start one instance, not several", seen)

    async def test_ensure_raises_the_number(self, opened: Opened[Backend]) -> None:
        """What was there stays, and only what is missing is started."""
        self.need(self.capabilities, Capability.REPLICAS)
        release = self.release("1")
        async with opened() as backend:
            before = ids(await self.up(backend, release))
            after = ids(await self.up(backend, release, 3))
        expect(set(before) <= set(after), "what was there must stay", (before, after))
        if self.tells_ages:
            expect(after[:1] == before, "the oldest must come first", (before, after))
        expect(len(set(after)) == 3, "ids must be unique", after)

    async def test_a_smaller_number_stops_nothing(self, opened: Opened[Backend]) -> None:
        """An instance that is not named is never stopped, even if there are more than asked for."""
        self.need(self.capabilities, Capability.REPLICAS)
        release = self.release("1")
        async with opened() as backend:
            before = ids(await self.up(backend, release, 3))
            await backend.ensure(self.target, release.revision, release, 1, fence_of("two"))
            after = await self.seen(backend, release)
        expect(ids(after) == before, "no instance may be stopped that `drained` does not name", after)
        expect(after.replicas == 1, "`replicas` must be what was asked for last", after)

    async def test_what_drained_names_is_stopped(self, opened: Opened[Backend]) -> None:
        """Those instances go, the others stay; named again, or unknown, they are nothing to do."""
        self.need(self.capabilities, Capability.REPLICAS)
        release = self.release("1")
        async with opened() as backend:
            first, second = ids(await self.up(backend, release, 2))
            for _ in range(2):
                drained = frozenset({first, "stranger"})
                await backend.ensure(
                    self.target, release.revision, release, 1, fence_of("two"), drained=drained
                )
            seen = await self.until(
                backend, release, lambda s: first not in ids(s), "what is drained is gone"
            )
        expect(ids(seen) == [second], "only what `drained` names may be stopped", seen)

    async def test_ids_are_never_used_twice(self, opened: Opened[Backend]) -> None:
        """An instance that replaces another has an id of its own."""
        release = self.release("1")
        async with opened() as backend:
            (first,) = ids(await self.up(backend, release))
            await backend.ensure(
                self.target, release.revision, release, 1, fence_of("two"), drained=frozenset({first})
            )
            seen = await self.until(
                backend, release, lambda s: s.ready and first not in ids(s), "another has taken its place"
            )
            await backend.remove(self.target, release.revision, fence_of("three"))
            again = await self.up(backend, release, fence=fence_of("four"))
        expect(len({first, *ids(seen), *ids(again)}) == 3, "no id may come back", (first, seen, again))

    async def test_what_cannot_be_started_is_an_error(self, opened: Opened[Backend]) -> None:
        """`StartError`, and what stood before stands as before."""
        release, broken = self.release("1"), self.unstartable
        async with opened() as backend:
            before = ids(await self.up(backend, release))
            with pytest.raises(StartError):
                await backend.ensure(self.target, broken.revision, broken, 1, fence_of("two"))
            after = await self.seen(backend, release)
        expect(ids(after) == before, "a start that fails must not touch another revision", after)
