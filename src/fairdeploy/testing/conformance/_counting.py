"""The first half of the suite of routers: what it is given, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from fairdeploy.errors import RouterError
from fairdeploy.model import Capability, Member, Pool, Routes, Split, Target, Traffic
from fairdeploy.protocols import Fence, TrafficRouter
from fairdeploy.testing._ports import free_port
from fairdeploy.testing.conformance.suite import Conformance, Opened, expect
from fairdeploy.testing.conformance.visitors import Visitors, loopback

if TYPE_CHECKING:
    from fairdeploy.model import Counters

__all__ = ["FENCE", "Counting"]

FENCE = Fence(epoch=1, key="one")


class Counting(Conformance, suite=True):
    """What a `TrafficRouterConformance` is given, and its tests of counting.

    Attributes:
        capabilities: What the router declares; tests of anything else are skipped.
        fenced: Whether it refuses older epochs itself.
        parade: How many revisions come and go, more than the router has places for.
        unusable: A member that it must refuse, or ``None`` if it takes whatever it is told.
    """

    capabilities: ClassVar[frozenset[Capability]]
    fenced: ClassVar[bool] = True
    parade: ClassVar[int] = 12
    unusable: ClassVar[Member | None] = Member("unusable", "this is no address")

    @pytest.fixture
    def target(self) -> Target:
        """Give a target on a free port of the loopback address."""
        return Target("conformance", endpoint=f"127.0.0.1:{free_port()}")

    @pytest.fixture
    def elsewhere(self) -> Target:
        """Give another target."""
        return Target("conformance", environment="elsewhere", endpoint=f"127.0.0.1:{free_port()}")

    @pytest.fixture
    def visiting(self) -> Opened[Visitors]:
        """Give who stands behind the router and who sends requests."""
        return loopback

    async def pool(self, visitors: Visitors, revision: str, count: int = 1) -> Pool:
        members = [await visitors.instance(revision) for _ in range(count)]
        return Pool(revision, tuple(members), visitors.probe)

    async def served(
        self, router: TrafficRouter, target: Target, routes: Routes, fence: Fence = FENCE
    ) -> Traffic:
        """Apply a document, and wait until it is served and every member is seen to be healthy."""
        await router.apply(target, routes, fence)
        wanted = {member.instance for pool in routes.pools for member in pool.members}
        return await self.eventually(
            lambda: router.observe(target),
            lambda seen: seen.written == routes and seen.acknowledged and seen.healthy == wanted,
            f"the document is acknowledged and {sorted(wanted)} are healthy",
        )

    @staticmethod
    async def _taken(router: TrafficRouter, target: Target, routes: Routes) -> RouterError | None:
        """Apply a document; one that may be taken later is no failure yet."""
        try:
            await router.apply(target, routes, FENCE)
        except RouterError as error:
            return error
        return None

    async def counted(self, router: TrafficRouter, target: Target, requests: int) -> dict[str, Counters]:
        """Wait until so many requests were counted."""

        async def look() -> dict[str, Counters]:
            return dict(await router.counters(target))

        return await self.eventually(
            look,
            lambda seen: sum(each.requests for each in seen.values()) >= requests,
            f"{requests} requests are counted",
        )

    # Counting.

    async def test_counters_only_grow(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """Within an incarnation, which a change of shares does not end."""
        self.need(self.capabilities, Capability.COUNTERS)
        async with visiting() as visitors, opened() as router:
            pools = (await self.pool(visitors, "old"), await self.pool(visitors, "new"))
            looks: list[Counters] = []
            for number, revision in enumerate(("old", "new", "old"), start=1):
                await self.served(router, target, Routes(pools, split=Split.all_to(revision)))
                await visitors.request(target)
                looks.append((await self.counted(router, target, number))["old"])
        expect(len({look.incarnation for look in looks}) == 1, "shares must not begin counting anew", looks)
        requests = [look.requests for look in looks]
        expect(requests == [1, 1, 2], "each request must be counted once, for its revision", requests)
        expect([look.errors for look in looks] == [0, 0, 0], "good answers are no errors", looks)

    async def test_a_revision_that_is_left_out_is_counted_no_more(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """If counting began anew when it comes back, its incarnation says so."""
        self.need(self.capabilities, Capability.COUNTERS)
        async with visiting() as visitors, opened() as router:
            old, new = await self.pool(visitors, "old"), await self.pool(visitors, "new")
            await self.served(router, target, Routes((old, new), split=Split.all_to("new")))
            await visitors.request(target)
            before = (await self.counted(router, target, 1))["new"]
            await self.served(router, target, Routes((old,), split=Split.all_to("old")))
            without = await router.counters(target)
            await self.served(router, target, Routes((old, new), split=Split.all_to("new")))
            after = (await router.counters(target))["new"]
        expect(set(without) == {"old"}, "a revision without a pool must not be counted", without)
        anew = after.incarnation != before.incarnation
        expect(anew or after.requests >= before.requests, "counting began anew: say so", (before, after))

    async def test_a_revision_that_is_left_out_frees_its_place(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """However many come and go, each gets its traffic."""
        answers = []
        async with visiting() as visitors, opened() as router:
            old = await self.pool(visitors, "old")
            for number in range(self.parade):
                new = await self.pool(visitors, f"new-{number}")
                routes = Routes((old, new), split=Split.all_to(new.revision))
                await self.eventually(
                    lambda routes=routes: self._taken(router, target, routes),  # type: ignore[misc]  # bound early
                    lambda trouble: trouble is None,
                    "a place is free",
                )
                await self.served(router, target, routes)
                answers.append(await visitors.request(target))
        wanted = [f"new-{number}" for number in range(self.parade)]
        expect(answers == wanted, "a revision that comes must find a place", answers)

    async def test_what_is_in_flight_is_counted_on_members_that_left(
        self, opened: Opened[TrafficRouter], visiting: Opened[Visitors], target: Target
    ) -> None:
        """Until it has ended: nobody may be stopped before."""
        self.need(self.capabilities, Capability.DRAIN_COUNTED)
        async with visiting() as visitors, opened() as router:
            old, new = await self.pool(visitors, "old"), await self.pool(visitors, "new")
            member = old.members[0].instance
            await self.served(router, target, Routes((old, new), split=Split.all_to("old")))
            async with visitors.lingering(target):
                await self.eventually(
                    lambda: router.observe(target),
                    lambda seen: (seen.in_flight or {}).get(member) == 1,
                    "one request is in flight",
                )
                await self.served(router, target, Routes((old, new), split=Split.all_to("new")))
                gone = await self.served(router, target, Routes((new,), split=Split.all_to("new")))
            await self.eventually(
                lambda: router.observe(target),
                lambda seen: not any((seen.in_flight or {}).values()),
                "nothing is in flight",
            )
        expect((gone.in_flight or {}).get(member) == 1, "who left must be counted until it is idle", gone)
