"""What every source of metrics must do, wherever its counters come from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Protocol

import anyio
import pytest

from fairdeploy.errors import FairdeployError
from fairdeploy.model import Counters, RevisionId, Target
from fairdeploy.protocols import MetricSource
from fairdeploy.testing.conformance.suite import Conformance, Opened, expect

__all__ = ["Counted", "MetricSourceConformance"]

_OLD, _NEW = "old", "new"
_BOTH = frozenset({_OLD, _NEW})


class Counted(Protocol):
    """What a source counts: brings it about that requests were answered."""

    async def count(self, target: Target, revision: RevisionId, *, requests: int, errors: int) -> None:
        """Let so many more requests be answered, so many of them with errors."""
        ...

    async def restart(self, target: Target, revision: RevisionId) -> None:
        """Let whoever counts for a revision begin anew, at zero."""
        ...

    def down(self) -> AbstractAsyncContextManager[None]:
        """Make the source's numbers unreachable for a while."""
        ...


class MetricSourceConformance(Conformance, suite=True):
    """Standard tests of a `MetricSource`: derive, and give the fixtures ``opened`` and ``counted``.

    ::

        class TestMine(MetricSourceConformance):
            @pytest.fixture
            def opened(self) -> Opened[MetricSource]:
                return open_it

            @pytest.fixture
            def counted(self) -> Counted:
                return whoever_counts

    Attributes:
        settle: Seconds after which what was counted is surely known.
        within: Seconds in which it must answer, or say that it cannot.
        restarts: Whether counting can begin anew while the source stays open.
        goes_down: Whether its numbers can be unreachable.
    """

    settle: ClassVar[float] = 0.01
    within: ClassVar[float] = 20.0
    restarts: ClassVar[bool] = True
    goes_down: ClassVar[bool] = True

    @pytest.fixture
    def target(self) -> Target:
        """Give a target."""
        return Target("conformance")

    @pytest.fixture
    def elsewhere(self) -> Target:
        """Give another target."""
        return Target("conformance", environment="elsewhere")

    async def _asked(
        self, source: MetricSource, target: Target, revisions: frozenset[RevisionId] = _BOTH
    ) -> Mapping[RevisionId, Counters]:
        __tracebackhide__ = True
        with anyio.move_on_after(self.within):
            return await source.counters(target, revisions)
        pytest.fail(f"a source must answer within {self.within:g} s, or raise")

    async def _grown(
        self,
        source: MetricSource,
        target: Target,
        since: Counters,
        requests: int,
        revision: RevisionId = _OLD,
    ) -> Counters:
        """Wait until so many requests more are counted than since a look."""
        __tracebackhide__ = True
        looks: list[Counters] = []

        async def look() -> Counters | None:
            seen = (await self._asked(source, target)).get(revision)
            if seen is not None:
                looks.append(seen)
            return seen

        found = await self.eventually(
            look,
            lambda seen: seen is not None and seen.requests - since.requests >= requests,
            f"{requests} more requests are counted",
        )
        incarnations = {each.incarnation for each in (since, *looks)}
        expect(len(incarnations) == 1, "counting must not begin anew by itself", incarnations)
        counts = [each.requests for each in (since, *looks)]
        expect(counts == sorted(counts), "within an incarnation counters must only grow", counts)
        return found or since

    async def _known(self, source: MetricSource, counted: Counted, target: Target) -> Counters:
        """Let something be counted, and wait until the source knows of it."""
        await counted.count(target, _OLD, requests=3, errors=0)
        await self.eventually(
            lambda: self._asked(source, target), lambda seen: _OLD in seen, "what was counted is known"
        )
        return (await self._settled(source, target))[_OLD]

    async def _settled(self, source: MetricSource, target: Target) -> Mapping[RevisionId, Counters]:
        """Wait until two looks agree."""
        before = await self._asked(source, target)
        with anyio.move_on_after(self.patience):
            while True:
                await anyio.sleep(self.settle)
                now = await self._asked(source, target)
                if now == before:
                    break
                before = now
        return before

    # The numbers.

    async def test_what_is_counted_is_found(
        self, opened: Opened[MetricSource], counted: Counted, target: Target
    ) -> None:
        """Requests and errors, as differences between two looks, however often it is asked in between."""
        async with opened() as source:
            before = await self._known(source, counted, target)
            await counted.count(target, _OLD, requests=20, errors=5)
            await self._grown(source, target, before, 20)
            after = (await self._settled(source, target))[_OLD]
            found = (after.requests - before.requests, after.errors - before.errors)
            expect(found == (20, 5), "20 requests and 5 errors were counted", found)

    async def test_revisions_are_counted_apart(
        self, opened: Opened[MetricSource], counted: Counted, target: Target
    ) -> None:
        """One's errors are not the other's."""
        async with opened() as source:
            await counted.count(target, _NEW, requests=2, errors=0)
            before = await self._known(source, counted, target)
            other = (await self._settled(source, target))[_NEW]
            await counted.count(target, _OLD, requests=4, errors=0)
            await counted.count(target, _NEW, requests=6, errors=6)
            after = await self._grown(source, target, before, 4)
            new = await self._grown(source, target, other, 6, _NEW)
            found = (after.errors - before.errors, new.errors - other.errors)
            expect(found == (0, 6), "errors must be those of their revision", found)

    async def test_targets_are_counted_apart(
        self, opened: Opened[MetricSource], counted: Counted, target: Target, elsewhere: Target
    ) -> None:
        """The same revision at another target is another's."""
        async with opened() as source:
            before = await self._known(source, counted, target)
            await counted.count(elsewhere, _OLD, requests=9, errors=9)
            await counted.count(target, _OLD, requests=1, errors=0)
            after = await self._grown(source, target, before, 1)
            expect(after.errors == before.errors, "the other target's errors must not be here", after)

    async def test_what_is_not_known_is_left_out(
        self, opened: Opened[MetricSource], counted: Counted, target: Target
    ) -> None:
        """Never zeros: nobody knows them."""
        async with opened() as source:
            await self._known(source, counted, target)
            seen = await self._asked(source, target, frozenset({_OLD, "nobody"}))
            expect("nobody" not in seen, "a revision that nobody counts for must be left out", dict(seen))
            expect(_OLD in seen, "and the others be there", dict(seen))
            empty = await self._asked(source, target, frozenset())
            expect(not set(empty) - _BOTH, "asked for nothing it must not invent revisions", dict(empty))

    async def test_errors_and_buckets_fit_the_requests(
        self, opened: Opened[MetricSource], counted: Counted, target: Target
    ) -> None:
        """No more errors than requests; a histogram that only rises."""
        async with opened() as source:
            before = await self._known(source, counted, target)
            await counted.count(target, _OLD, requests=7, errors=7)
            seen = await self._grown(source, target, before, 7)
            expect(0 <= seen.errors <= seen.requests, "errors must be among the requests", seen)
            counts = seen.latency.counts
            expect(list(counts) == sorted(counts), "buckets must be cumulative", seen.latency)
            bounds = seen.latency.bounds_ms
            expect(list(bounds) == sorted(set(bounds)), "their bounds must increase", seen.latency)

    async def test_counting_that_begins_anew_is_said(
        self, opened: Opened[MetricSource], counted: Counted, target: Target
    ) -> None:
        """By another incarnation: a difference over a restart is never negative, nor more than there was."""
        if not self.restarts:
            pytest.skip("its counting does not begin anew while it is open")
        async with opened() as source:
            before = await self._known(source, counted, target)
            await counted.restart(target, _OLD)
            await counted.count(target, _OLD, requests=2, errors=1)
            seen = (await self._settled(source, target)).get(_OLD)
            if seen is None:
                return
            same = seen.incarnation == before.incarnation
            grown = (seen.requests - before.requests, seen.errors - before.errors)
            fits = not same or (0 <= grown[1] <= grown[0] <= 2)
            expect(fits, "counting that began anew must change the incarnation", (before, seen))

    # Faults.

    async def test_what_cannot_be_asked_is_an_error_and_never_zero(
        self, opened: Opened[MetricSource], counted: Counted, target: Target
    ) -> None:
        """One of the house's errors, in time; and afterwards it answers as before."""
        if not self.goes_down:
            pytest.skip("its numbers cannot be unreachable")
        async with opened() as source:
            before = await self._known(source, counted, target)
            async with counted.down():
                await self.eventually(
                    lambda: self._refused(source, target), bool, "it says that it cannot be asked"
                )
            await counted.count(target, _OLD, requests=4, errors=0)
            await self.eventually(
                lambda: self._refused(source, target), lambda refused: not refused, "it answers again"
            )
            # At first it may know of nothing: what it asks has been silent too.
            await self.eventually(
                lambda: self._asked(source, target),
                lambda seen: _OLD in seen,
                "it knows again what was counted",
            )
            seen = (await self._settled(source, target)).get(_OLD)
            whole = seen is not None and (
                seen.incarnation != before.incarnation or seen.requests >= before.requests
            )
            expect(whole, "after a time of silence counters must not have fallen", (before, seen))

    async def _refused(self, source: MetricSource, target: Target) -> bool:
        __tracebackhide__ = True
        try:
            seen = await self._asked(source, target)
        except FairdeployError as error:
            expect(str(error).strip(), "an error must say what is wrong", error)
            return True
        zero = [revision for revision, each in seen.items() if each == Counters()]
        expect(not zero, "nothing must be told as zero", dict(seen))
        return False

    async def test_it_can_be_asked_by_many_at_once(
        self, opened: Opened[MetricSource], counted: Counted, target: Target
    ) -> None:
        """Guards of one rollout share it."""
        async with opened() as source:
            await self._known(source, counted, target)
            seen: list[Mapping[RevisionId, Counters]] = []

            async def ask() -> None:
                seen.append(await self._asked(source, target))

            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(ask)
            different = {each[_OLD] for each in seen}
            expect(len(different) == 1, "all must see the same", different)

    async def test_its_configuration_is_the_same_in_every_process(self, opened: Opened[MetricSource]) -> None:
        """A plan records its hash."""
        async with opened() as one, opened() as other:
            said = (one.configuration(), other.configuration())
            expect(said[0] == said[1], "two that are configured alike must say the same", said)
            expect(isinstance(said[0], str) and " at 0x" not in said[0], "in words that last", said)
