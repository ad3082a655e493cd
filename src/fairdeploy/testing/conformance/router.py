"""What every traffic router must do, whatever carries the traffic."""

from __future__ import annotations

from collections import Counter

import pytest

from fairdeploy.errors import FairdeployError, Fenced
from fairdeploy.model import Capability, HeaderRoute, Pool, Routes, Split, Target
from fairdeploy.protocols import Fence, TrafficRouter
from fairdeploy.testing.conformance._counting import FENCE, Counting
from fairdeploy.testing.conformance.suite import Opened, expect
from fairdeploy.testing.conformance.visitors import Visitors

__all__ = ["TrafficRouterConformance"]

_NEWER, _OLDER = 7, 6


class TrafficRouterConformance(Counting, suite=True):
    """Standard tests of a `TrafficRouter`: derive, give the fixture ``opened``, and say what it can do.

    ::

        class TestMine(TrafficRouterConformance):
            capabilities = frozenset({Capability.WEIGHTS})

            @pytest.fixture
            def opened(self, tmp_path: Path) -> Opened[TrafficRouter]:
                return lambda: MyRouter.open(tmp_path)

    Each test begins without any routes. Requests are sent over loopback to small applications; a router
    that cannot be reached like that gives its own fixture ``visiting``, which opens `Visitors`.

    Attributes:
        capabilities: What the router declares; tests of anything else are skipped.
        fenced: Whether it refuses older epochs itself.
        parade: How many revisions come and go, more than the router has places for.
        unusable: A member that it must refuse, or ``None`` if it takes whatever it is told.
    """

    # Apply and observe.

    async def test_capabilities_are_as_declared(self, opened: Opened[TrafficRouter]) -> None:
        """What the class declares is what the router says."""
        async with opened() as router:
            said = router.capabilities
        expect(said == self.capabilities, f"capabilities must be {sorted(self.capabilities)}", sorted(said))

    async def test_a_target_never_seen_is_empty(self, opened: Opened[TrafficRouter], target: Target) -> None:
        """Nothing is written, nobody is healthy, nothing is counted; removing it is no error."""
        async with opened() as router:
            seen, counted = await router.observe(target), await router.counters(target)
            await router.remove(target, FENCE)
        expect(
            (seen.written, seen.split, seen.healthy) == (None, None, frozenset()), "it must be empty", seen
        )
        expect(not any((seen.in_flight or {}).values()), "nothing can be in flight", seen)
        expect(not counted, "nothing can be counted", counted)

    async def test_checking_changes_nothing(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """A free endpoint passes, and so does one that the router itself serves."""
        async with visiting() as visitors, opened() as router:
            await router.check(target)
            before = await router.observe(target)
            routes = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
            await self.served(router, target, routes)
            await router.check(target)
            after = await router.observe(target)
        expect(before.written is None, "checking must write nothing", before)
        expect((after.written, after.acknowledged) == (routes, True), "nor change what is served", after)

    async def test_what_is_applied_is_observed_and_served(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """Once it is acknowledged, requests go by it; then by the next document."""
        async with visiting() as visitors, opened() as router:
            pools = (await self.pool(visitors, "old"), await self.pool(visitors, "new"))
            answers = []
            for revision in ("old", "new"):
                await self.served(router, target, Routes(pools, split=Split.all_to(revision)))
                answers.append({await visitors.request(target) for _ in range(5)})
        expect(answers == [{"old"}, {"new"}], "an acknowledged document must be in force", answers)

    async def test_the_same_document_twice_is_the_same_as_once(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """It stays acknowledged, and counting goes on."""
        self.need(self.capabilities, Capability.COUNTERS)
        async with visiting() as visitors, opened() as router:
            routes = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
            await self.served(router, target, routes)
            await visitors.request(target)
            before = await self.counted(router, target, 1)
            for key in ("one", "two"):
                await router.apply(target, routes, Fence(epoch=1, key=key))
            seen, after = await router.observe(target), await router.counters(target)
        expect((seen.written, seen.acknowledged) == (routes, True), "it must still be served", seen)
        expect(dict(after) == before, "counting must go on as if nothing had happened", (before, after))

    async def test_routes_outlive_the_program(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """The next one finds them written, and in force."""
        async with visiting() as visitors:
            async with opened() as router:
                routes = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
                await self.served(router, target, routes)
            async with opened() as router:
                seen = await self.served(router, target, routes)
                answer = await visitors.request(target)
        expect((seen.written, answer) == (routes, "old"), "routes must be durable", (seen, answer))

    async def test_requests_follow_the_shares(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """One in four for a quarter, none for nothing."""
        self.need(self.capabilities, Capability.WEIGHTS)
        async with visiting() as visitors, opened() as router:
            pools = [await self.pool(visitors, revision) for revision in ("old", "new", "idle")]
            await self.served(router, target, Routes(tuple(pools), split=Split.between("old", "new", 2_500)))
            answers = Counter([await visitors.request(target) for _ in range(200)])
        expect(answers["idle"] == 0, "a revision without a share must get nothing", answers)
        expect(answers.total() == answers["old"] + answers["new"], "every request must be answered", answers)
        expect(20 < answers["new"] < 90, "a quarter of 200 must come near 50", answers)

    async def test_without_a_split_nobody_is_asked(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """The router answers by itself."""
        async with visiting() as visitors, opened() as router:
            await self.served(router, target, Routes((await self.pool(visitors, "old"),)))
            answer = await visitors.request(target)
        expect(answer is None, "without a split no instance may be asked", answer)

    async def test_a_header_leads_to_its_revision(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """Whatever the split; such requests are not among those counted."""
        self.need(self.capabilities, Capability.HEADERS)
        async with visiting() as visitors, opened() as router:
            pools = (await self.pool(visitors, "old"), await self.pool(visitors, "new"))
            rule = HeaderRoute("x-smoke", "1", "new")
            await self.served(router, target, Routes(pools, split=Split.all_to("old"), headers=(rule,)))
            answers = [await visitors.request(target, {"x-smoke": value}) for value in ("1", "2")]
            counted = (
                await self.counted(router, target, 1) if Capability.COUNTERS in self.capabilities else {}
            )
        expect(answers == ["new", "old"], "the header must decide, and only its own value", answers)
        smoked = counted["new"].requests if "new" in counted else 0
        expect(smoked == 0, "smoke tests must not be counted", counted)

    async def test_who_does_not_answer_is_not_healthy(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """And requests go to those that do."""
        async with visiting() as visitors, opened() as router:
            well, unwell = await visitors.instance("old"), await visitors.nobody("old")
            routes = Routes((Pool("old", (well, unwell), visitors.probe),), split=Split.all_to("old"))
            await router.apply(target, routes, FENCE)
            await self.eventually(
                lambda: router.observe(target),
                lambda seen: seen.acknowledged and seen.healthy == {well.instance},
                f"only {well.instance!r} is healthy",
            )
            answers = {await visitors.request(target) for _ in range(5)}
        expect(answers == {"old"}, "requests must go to the healthy member", answers)

    async def test_a_refused_document_leaves_the_last_good_one(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """It is an error, and the routes before it stay in force."""
        if self.unusable is None:
            pytest.skip("it takes whatever it is told")
        async with visiting() as visitors, opened() as router:
            good = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
            await self.served(router, target, good)
            bad = Routes((*good.pools, Pool("new", (self.unusable,))), split=Split.all_to("new"))
            with pytest.raises(FairdeployError):
                await router.apply(target, bad, Fence(epoch=1, key="two"))
            seen, answer = await self.served(router, target, good), await visitors.request(target)
        expect((seen.written, answer) == (good, "old"), "the last good document must be in force", seen)

    async def test_targets_do_not_share_routes(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target, elsewhere: Target
    ) -> None:
        """What is written for one is not seen on the other; removing one leaves the other."""
        async with visiting() as visitors, opened() as router:
            routes = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
            await self.served(router, target, routes)
            other = await router.observe(elsewhere)
            await router.remove(elsewhere, FENCE)
            seen, answer = await router.observe(target), await visitors.request(target)
        expect(other.written is None, "another target must have no routes", other)
        expect((seen.written, answer) == (routes, "old"), "its own routes must stay", (seen, answer))

    # Remove, and fences.

    async def test_remove_forgets_and_can_be_repeated(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """Afterwards it is as never seen, and can be routed anew."""
        async with visiting() as visitors, opened() as router:
            routes = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
            await self.served(router, target, routes)
            for _ in range(2):
                await router.remove(target, Fence(epoch=1, key="two"))
            seen, counted = await router.observe(target), await router.counters(target)
            await self.served(router, target, routes, Fence(epoch=1, key="three"))
            answer = await visitors.request(target)
        expect((seen.written, dict(counted)) == (None, {}), "it must be forgotten", (seen, counted))
        expect(answer == "old", "it must be able to come back", answer)

    async def test_an_older_epoch_is_refused(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """`Fenced`, also from another program, and the routes stay."""
        if not self.fenced:
            pytest.skip("it does not refuse older epochs")
        async with visiting() as visitors, opened() as router, opened() as other:
            routes = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
            await self.served(router, target, routes, Fence(epoch=_NEWER, key="newer"))
            with pytest.raises(Fenced):
                await other.apply(target, Routes(), Fence(epoch=_OLDER, key="late"))
            with pytest.raises(Fenced):
                await other.remove(target, Fence(epoch=_OLDER, key="late"))
            seen = await router.observe(target)
        expect(seen.written == routes, "a refused effect must change nothing", seen)

    async def test_an_older_epoch_is_refused_after_removal_too(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """A holder that wakes when all is over must not bring the routes back."""
        if not self.fenced:
            pytest.skip("it does not refuse older epochs")
        async with visiting() as visitors, opened() as router, opened() as other:
            routes = Routes((await self.pool(visitors, "old"),), split=Split.all_to("old"))
            await self.served(router, target, routes)
            await router.remove(target, Fence(epoch=_NEWER, key="newer"))
            with pytest.raises(Fenced):
                await other.apply(target, routes, Fence(epoch=_OLDER, key="late"))
            seen = await router.observe(target)
        expect(seen.written is None, "a refused effect must change nothing", seen)
