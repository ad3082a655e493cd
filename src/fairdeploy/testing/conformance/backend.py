"""What every backend must do, whatever runs behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import BackendError, Fenced
from fairdeploy.model import Capability, Job, Revision
from fairdeploy.protocols import Backend, JobState
from fairdeploy.testing.conformance._bringing_up import BringingUp, fence_of, ids
from fairdeploy.testing.conformance.suite import Opened, expect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["BackendConformance"]

_NEWER, _OLDER = 7, 6


class BackendConformance(BringingUp, suite=True):
    """Standard tests of a `Backend`: derive, give the fixture ``opened``, and say what it can do.

    ::

        class TestMine(BackendConformance):
            capabilities = frozenset({Capability.REVISIONS, Capability.REPLICAS})

            @pytest.fixture
            def opened(self, tmp_path: Path) -> Opened[Backend]:
                return lambda: MyBackend.open(tmp_path)

    Each test begins with nothing deployed, so ``opened`` is made for one test. What it opens twice is the
    same: the second is what another program sees.

    Attributes:
        capabilities: What the backend declares; tests of anything else are skipped.
        target: Where the tests deploy: without an endpoint, as no traffic is needed here.
        elsewhere: Another target.
        unstartable: A release that cannot be started at all.
        speaking: A release whose instances write the lines of ``words``, and go on running.
        words: See ``speaking``.
        exiting: A release whose instances write ``words`` and exit by themselves, or ``None`` if
            nothing that is kept ever exits.
        tells_ages: ``False`` where the platform dates what it starts in whole seconds, so that the oldest of one
            second cannot be told.
        job: A job that succeeds. What it writes differs from run to run, if it can.
        failing_job: A job that fails.
    """

    # Quiesce.

    async def test_quiescing_marks_and_stops_nothing(self, opened: Opened[Backend]) -> None:
        """The mark is seen by every program; marking again, or a stranger, does nothing."""
        release = self.release("1")
        async with opened() as backend:
            (first,) = ids(await self.up(backend, release))
            for _ in range(2):
                await backend.quiesce(self.target, frozenset({first, "stranger"}), fence_of("two"))
            seen = await self.seen(backend, release)
            async with opened() as other:
                again = await self.seen(other, release)
        marked = [i.id for i in seen.quiescing]
        expect(marked == [first], "exactly what was named must be quiescing, and still be there", seen)
        expect([i.id for i in again.quiescing] == marked, "another program must see the mark", again)

    async def test_what_quiesces_is_not_counted(self, opened: Opened[Backend]) -> None:
        """Ensuring the number starts a substitute beside it, and does not stop it."""
        self.need(self.capabilities, Capability.REPLICAS)
        release = self.release("1")
        async with opened() as backend:
            (first,) = ids(await self.up(backend, release))
            await backend.quiesce(self.target, frozenset({first}), fence_of("two"))
            await backend.ensure(self.target, release.revision, release, 1, fence_of("three"))
            seen = await self.until(backend, release, lambda s: len(s.ready) == 1, "the substitute is ready")
        expect([i.id for i in seen.quiescing] == [first], "what quiesces must still be there", seen)

    # Remove and promote.

    async def test_remove_stops_and_forgets_one_revision(self, opened: Opened[Backend]) -> None:
        """It is gone, the other stays; removing it again, or what never was, does nothing."""
        self.need(self.capabilities, Capability.REVISIONS)
        old, new = self.release("1"), self.release("2")
        async with opened() as backend:
            await self.up(backend, old)
            await self.up(backend, new)
            for revision in (old.revision, old.revision, "never-seen"):
                await backend.remove(self.target, revision, fence_of("two"))
            seen = await self.eventually(
                lambda: backend.observe(self.target),
                lambda s: s.revision(old.revision) is None,
                "the removed revision is forgotten",
            )
        left = [(r.id, len(r.instances)) for r in seen.revisions]
        expect(left == [(new.revision, 1)], "only the removed revision may go", seen)

    async def test_the_stable_revision_is_not_removed(self, opened: Opened[Backend]) -> None:
        """`BackendError`, and it goes on running."""
        release = self.release("1")
        async with opened() as backend:
            before = ids(await self.up(backend, release))
            await backend.promote(self.target, release.revision, fence_of("two"))
            with pytest.raises(BackendError):
                await backend.remove(self.target, release.revision, fence_of("three"))
            seen = await backend.observe(self.target)
        expect(seen.stable == release.revision, "it must still be stable", seen)
        expect(ids(seen.revisions[0]) == before, "its instances must still be there", seen)

    async def test_a_promotion_is_durable(self, opened: Opened[Backend]) -> None:
        """The next program sees it; promoting again does nothing; the mark moves, and the old one may go."""
        self.need(self.capabilities, Capability.REVISIONS)
        old, new = self.release("1"), self.release("2")
        marks = []
        async with opened() as backend:
            await self.up(backend, old)
            for _ in range(2):
                await backend.promote(self.target, old.revision, fence_of("two"))
        async with opened() as backend:
            marks.append((await backend.observe(self.target)).stable)
            await self.up(backend, new, fence=fence_of("three"))
            await backend.promote(self.target, new.revision, fence_of("four"))
        async with opened() as backend:
            marks.append((await backend.observe(self.target)).stable)
            await backend.remove(self.target, old.revision, fence_of("five"))
        expect(marks == [old.revision, new.revision], "the stable mark must outlive the program", marks)

    async def test_what_runs_outlives_the_program(self, opened: Opened[Backend]) -> None:
        """The same instances, of the same ids, are there for the next one."""
        release = self.release("1")
        async with opened() as backend:
            before = ids(await self.up(backend, release))
        async with opened() as backend:
            after = ids(await self.up(backend, release))
        expect(before == after, "what runs must not end, or begin anew, with the program", (before, after))

    # Fences.

    @pytest.mark.parametrize("effect", ["ensure", "quiesce", "remove", "promote", "execute"])
    async def test_an_older_epoch_is_refused(self, opened: Opened[Backend], effect: str) -> None:
        """`Fenced`, from every program, and nothing has changed; the same epoch, or a newer, goes on."""
        self.need(self.capabilities, Capability.FENCED)
        if effect == "execute":
            self.need(self.capabilities, Capability.JOBS)
        release = self.release("1")
        async with opened() as backend:
            await self.up(backend, release, fence=fence_of(epoch=_NEWER))
            before = await self.seen(backend, release)
            async with opened() as other:
                with pytest.raises(Fenced):
                    await self._effect(other, effect, before, _OLDER)
            after = await backend.observe(self.target)
            await self.up(backend, release, fence=fence_of("same", _NEWER))
            await self.up(backend, release, fence=fence_of("newer", _NEWER + 1))
        expect(after.stable is None, "a refused effect must not promote", after)
        expect(after.revision(release.revision) == before, "a refused effect must change nothing", after)

    async def _effect(self, backend: Backend, effect: str, seen: Revision, epoch: int) -> None:
        release, fence = self.release("1"), fence_of("late", epoch)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "ensure": lambda: backend.ensure(self.target, release.revision, release, 2, fence),
            "quiesce": lambda: backend.quiesce(self.target, frozenset(ids(seen)), fence),
            "remove": lambda: backend.remove(self.target, release.revision, fence),
            "promote": lambda: backend.promote(self.target, release.revision, fence),
            "execute": lambda: backend.execute(self.target, release.revision, release, self.job, fence),
        }
        await calls[effect]()

    # Jobs and words.

    async def _ended(self, backend: Backend, job: Job, key: str) -> JobState:
        release = self.release("1")
        return await self.eventually(
            lambda: backend.execute(self.target, release.revision, release, job, fence_of(key)),
            lambda state: state.phase != "running",
            "the job has ended",
        )

    async def test_a_job_runs_once_per_key(self, opened: Opened[Backend]) -> None:
        """Asked again with its key, also by another program, it tells how the one run ended."""
        self.need(self.capabilities, Capability.JOBS)
        async with opened() as backend:
            await self.up(backend, self.release("1"))
            first = await self._ended(backend, self.job, "job")
            again = await self._ended(backend, self.job, "job")
            async with opened() as other:
                there = await self._ended(other, self.job, "job")
            more = await self._ended(backend, self.job, "another")
        expect(first.phase == "succeeded", "the job must succeed", first)
        expect(first == again == there, "the same key must not run it again", (first, again, there))
        expect(more.phase == "succeeded", "another key must run it again", more)

    async def test_a_job_that_fails_says_so(self, opened: Opened[Backend]) -> None:
        """Its phase is ``failed``, and its exit code, if known, is not 0."""
        self.need(self.capabilities, Capability.JOBS)
        async with opened() as backend:
            await self.up(backend, self.release("1"))
            state = await self._ended(backend, self.failing_job, "job")
        expect(state.phase == "failed", "a job that fails must be told from one that succeeds", state)
        expect(state.exit_code != 0, "its exit code must not be 0", state)

    async def test_last_words_are_bounded_and_in_order(self, opened: Opened[Backend]) -> None:
        """As many lines as asked for, the last ones, oldest first."""
        release = self.speaking
        async with opened() as backend:
            (one,) = ids(await self.up(backend, release))
            said = await self.eventually(
                lambda: backend.tail(self.target, release.revision, 10),
                lambda words: words.get(one, ())[-1:] == self.words[-1:],
                "the instance has spoken",
            )
            last = await backend.tail(self.target, release.revision, 2)
        expect(said == {one: self.words}, "every line must be told, oldest first", said)
        expect(last == {one: self.words[-2:]}, "no more lines may be told than asked for", last)

    async def test_who_has_exited_still_has_last_words(self, opened: Opened[Backend]) -> None:
        """What an instance wrote before it exited is what is wanted most."""
        release = self.exiting
        if release is None:
            pytest.skip("nothing exits here")
        async with opened() as backend:
            await backend.ensure(self.target, release.revision, release, 1, fence_of())
            await self.until(
                backend,
                release,
                lambda s: any(i.state in {"backoff", "exited"} for i in s.instances),
                "it is seen to have exited",
            )
            said = await backend.tail(self.target, release.revision, len(self.words))
        expect(list(said.values()) == [self.words], "the words of one that has exited must be told", said)
