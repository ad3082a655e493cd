"""What users of the router rely on, asked of a real Envoy."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
import websockets

from fairdeploy.errors import Fenced, InvalidInput, RouterError
from fairdeploy.model import HeaderRoute, Member, Mirror, Pool, Routes, Split, Target, Traffic
from fairdeploy.protocols import Fence
from fairdeploy.routing.envoy import EnvoyRouter
from tests.routing.application import Application, application
from tests.routing.conftest import FENCE, pool
from tests.routing.keeper import TaskKeeper, kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from fairdeploy.protocols import TrafficRouter


pytestmark = [pytest.mark.anyio, pytest.mark.local]


@asynccontextmanager
async def browser(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    """Ask a target's endpoint."""
    async with httpx.AsyncClient(base_url=f"http://{target.endpoint}", timeout=60, trust_env=False) as client:
        yield client


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until something holds."""
    with anyio.fail_after(100):
        while not await holds():  # noqa: ASYNC110 -- what is asked is another process
            await anyio.sleep(0.01)


async def until(
    router: TrafficRouter, target: Target, holds: Callable[[Traffic], bool], *, restarting: bool = False
) -> Traffic:
    """Observe until something holds; one that is restarting may for a while be silent."""
    seen = Traffic()

    async def now() -> bool:
        nonlocal seen
        try:
            seen = await router.observe(target)
        except RouterError as silent:
            if not restarting or "has not answered" not in str(silent):
                raise
            return False
        return holds(seen)

    await eventually(now)
    return seen


async def serve(router: TrafficRouter, target: Target, routes: Routes, *, fence: Fence = FENCE) -> Traffic:
    """Apply routes and wait until they are served and every member is healthy."""
    await router.apply(target, routes, fence)
    wanted = {member.instance for one in routes.pools for member in one.members}
    return await until(router, target, lambda seen: seen.acknowledged and seen.healthy == wanted)


async def shares(client: httpx.AsyncClient, number: int) -> Counter[str]:
    """Count who answers."""
    return Counter([(await client.get("/")).text for _ in range(number)])


async def test_a_target_never_seen_has_no_traffic(router: EnvoyRouter, target: Target) -> None:
    """Nothing is written, nobody is healthy, and nothing is in flight."""
    assert await router.observe(target) == Traffic(in_flight={}, streams=0)
    assert await router.counters(target) == {}
    await router.remove(target, FENCE)


async def test_requests_follow_the_split(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """One in four goes to the revision with a quarter, and the counters say the same."""
    routes = Routes((pool(old), pool(new)), split=Split.between("old", "new", 2_500))
    seen = await serve(router, target, routes)

    async with browser(target) as client:
        answered = await shares(client, 400)

    assert seen.written == routes
    assert answered.total() == 400
    assert 50 < answered["new"] < 150
    counted = await router.counters(target)
    assert {revision: of.requests for revision, of in counted.items()} == dict(answered)
    assert [of.errors + of.retries for of in counted.values()] == [0, 0]


async def test_without_a_split_nobody_is_asked(router: EnvoyRouter, target: Target, old: Application) -> None:
    """The router answers 503 by itself, and smoke tests reach the revision all the same."""
    await serve(router, target, Routes((pool(old),), headers=(HeaderRoute("x-smoke", "1", "old"),)))

    async with browser(target) as client:
        assert (await client.get("/")).status_code == 503
        assert (await client.get("/", headers={"x-smoke": "1"})).text == "old"


async def test_a_header_leads_to_its_revision_and_is_not_counted(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """Smoke tests reach a revision without a share, and stay out of the figures that judge it."""
    header = HeaderRoute("x-revision", "new", "new")
    await serve(router, target, Routes((pool(old), pool(new)), split=Split.all_to("old"), headers=(header,)))

    async with browser(target) as client:
        smoked = [(await client.get("/", headers={"X-Revision": "new"})).text for _ in range(10)]
        others = [(await client.get("/", headers={"X-Revision": "none"})).text for _ in range(10)]

    counted = await router.counters(target)
    assert smoked == ["new"] * 10
    assert others == ["old"] * 10
    assert (counted["old"].requests, counted["new"].requests) == (10, 0)


async def test_members_that_all_fail_their_checks_are_the_last_resort(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """A sick candidate is stood in for; but when everybody is sick, somebody who may answer is better than nobody."""
    routes = Routes((pool(old), pool(new)), split=Split.between("old", "new", 5_000))
    await serve(router, target, routes)

    async with browser(target) as client:
        new.healthy = False
        await until(router, target, lambda seen: seen.healthy == {old.instance})
        assert await shares(client, 20) == {"old": 20}
        old.healthy = False
        await until(router, target, lambda seen: not seen.healthy)
        statuses = Counter([(await client.get("/")).status_code for _ in range(40)])
        alone = Routes((pool(old),), split=Split.all_to("old"))
        await router.apply(target, alone, FENCE)
        await until(router, target, lambda seen: seen.acknowledged)
        answered = await shares(client, 20)

    assert statuses == {200: 40}
    assert answered == {"old": 20}
    counted = await router.counters(target)
    assert counted["old"].errors == 0


async def test_users_see_the_application_and_not_its_router(
    router: EnvoyRouter, target: Target, old: Application
) -> None:
    """Host, server name and every path belong to the application."""
    await serve(router, target, Routes((pool(old),), split=Split.all_to("old")))

    async with browser(target) as client:
        answer = await client.get("/.fairdeploy/version", headers={"host": "shop.example"})

    assert answer.text == "old"
    assert answer.headers["x-seen-host"] == "shop.example"
    assert not [name for name in answer.headers if "envoy" in name or "fairdeploy" in name]
    assert "envoy" not in answer.headers["server"].lower()


async def test_the_same_document_again_changes_nothing(
    router: EnvoyRouter, target: Target, old: Application, tmp_path: Path
) -> None:
    """No file is written anew, and a second program that opens the folder sees the same."""
    routes = Routes((pool(old),), split=Split.all_to("old"))
    seen = await serve(router, target, routes)
    folder = tmp_path / "shop" / "production"
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}

    await router.apply(target, routes, FENCE)
    other = EnvoyRouter(tmp_path, router._keeper)

    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")} == before
    assert await other.observe(target) == seen
    assert {oct(path.stat().st_mode & 0o777) for path in folder.glob("*.json")} == {"0o600"}
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


async def test_an_older_holder_is_refused(router: EnvoyRouter, target: Target, old: Application) -> None:
    """Whoever has been taken over neither changes nor removes routes."""
    routes = Routes((pool(old),), split=Split.all_to("old"))
    await serve(router, target, routes, fence=Fence(epoch=5, key="newer"))

    with pytest.raises(Fenced, match="epoch 4 may not change the routes of 'shop/production': epoch 5"):
        await router.apply(target, Routes(), Fence(epoch=4, key="older"))
    with pytest.raises(Fenced):
        await router.remove(target, Fence(epoch=4, key="older"))

    assert (await router.observe(target)).written == routes


async def test_a_first_route_that_comes_late_is_refused(
    router: EnvoyRouter, target: Target, old: Application
) -> None:
    """Nothing was ever routed, but whoever took over has said so: the holder before starts no Envoy."""
    await router.remove(target, Fence(epoch=2, key="newer"))

    with pytest.raises(Fenced, match="epoch 1 may not change the routes of 'shop/production': epoch 2"):
        await router.apply(
            target, Routes((pool(old),), split=Split.all_to("old")), Fence(epoch=1, key="older")
        )
    assert (await router.observe(target)).written is None

    await serve(
        router, target, Routes((pool(old),), split=Split.all_to("old")), fence=Fence(epoch=3, key="next")
    )


async def test_leaving_members_are_counted_until_they_are_idle(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """A slow request and a websocket go on while their revision leaves, and are counted to the end."""
    both = (pool(old), pool(new))
    await serve(router, target, Routes(both, split=Split.all_to("old")))

    answers: list[str] = []
    async with browser(target) as client, anyio.create_task_group() as group:

        async def ask() -> None:
            answers.append((await client.get("/slow")).text)

        group.start_soon(ask)
        async with websockets.connect(f"ws://{target.endpoint}/echo", proxy=None, open_timeout=60) as socket:
            busy = await until(router, target, lambda seen: (seen.in_flight or {}).get("old-1") == 2)
            assert busy.streams == 1

            await serve(router, target, Routes(both, split=Split.all_to("new")))
            gone = await serve(router, target, Routes((pool(new),), split=Split.all_to("new")))
            assert gone.in_flight == {"old-1": 2, "new-1": 0}
            assert gone.healthy == {"new-1"}
            assert (await client.get("/")).text == "new"
            await socket.send("still")
            assert await socket.recv() == "old:still"

            old.release.set()
            await until(router, target, lambda seen: (seen.in_flight or {}).get("old-1") == 1)
        await until(router, target, lambda seen: not any((seen.in_flight or {}).values()))
        await until(router, target, lambda seen: seen.streams == 0)

    assert answers == ["old"]


async def test_one_of_two_instances_can_leave(router: EnvoyRouter, target: Target, old: Application) -> None:
    """The one that leaves gets nothing new; the other one gets everything."""
    async with application("old", "old-2") as second:
        split = Split.all_to("old")
        await serve(router, target, Routes((pool(old, second),), split=split))
        await serve(router, target, Routes((pool(old),), split=split))
        second.seen = 0

        async with browser(target) as client:
            await shares(client, 20)

        assert (old.seen >= 20, second.seen) == (True, 0)
        await serve(router, target, Routes((pool(old, second),), split=split))


async def test_requests_fall_back_while_a_revision_is_unwell(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """No user sees a revision that is unwell or drops connections; it is not credited with the answers."""
    await serve(router, target, Routes((pool(old), pool(new)), split=Split.between("old", "new", 5_000)))
    new.cut = True
    async with browser(target) as client:
        dropped = await shares(client, 40)
        new.cut, new.healthy = False, False
        await until(router, target, lambda seen: seen.healthy == {"old-1"})
        unwell = await shares(client, 40)

    counted = await router.counters(target)
    assert dropped == unwell == {"old": 40}
    assert counted["new"].retries > 5
    assert counted["new"].requests == 0
    assert counted["old"].errors == counted["new"].errors == 0


async def test_errors_of_the_application_are_its_own(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """A 500 is handed on, never repeated, and counted against the revision that answered it."""
    await serve(router, target, Routes((pool(old), pool(new)), split=Split.between("old", "new", 5_000)))
    new.status = 500
    async with browser(target) as client:
        statuses = Counter([(await client.get("/")).status_code for _ in range(100)])

    counted = await router.counters(target)
    assert new.seen == statuses[500] == counted["new"].errors == counted["new"].requests
    assert counted["old"].errors == 0


async def test_latency_is_a_histogram(router: EnvoyRouter, target: Target, old: Application) -> None:
    """Every answer is found in it, once Envoy has merged its buckets."""
    await serve(router, target, Routes((pool(old),), split=Split.all_to("old")))
    async with browser(target) as client:
        await shares(client, 30)

    async def merged() -> bool:
        counts = (await router.counters(target))["old"].latency.counts
        return bool(counts) and counts[-1] == 30

    await eventually(merged)
    latency = (await router.counters(target))["old"].latency
    assert latency.counts[-1] == 30
    assert list(latency.counts) == sorted(latency.counts)
    assert latency.bounds_ms[0] == 1


async def test_copies_go_to_the_mirror(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """A mirrored revision sees every request, answers nobody and is not counted."""
    await serve(
        router,
        target,
        Routes((pool(old), pool(new)), split=Split.all_to("old"), mirror=Mirror("new", 10_000)),
    )
    async with browser(target) as client:
        answered = await shares(client, 20)

    async def copied() -> bool:
        return new.seen == 20

    await eventually(copied)
    assert answered == {"old": 20}
    assert (await router.counters(target))["new"].requests == 0


async def test_visitors_stay_while_a_share_grows(
    router: EnvoyRouter, target: Target, old: Application, new: Application
) -> None:
    """Who was given the new revision keeps it; others join, nobody leaves."""
    pools = (pool(old), pool(new))

    def routes(basis_points: int) -> Routes:
        return Routes(pools, split=Split.between("old", "new", basis_points), sticky=True)

    await serve(router, target, routes(2_000))
    async with browser(target) as client:
        visitors: list[tuple[httpx.Cookies, str]] = []
        for _ in range(60):
            client.cookies.clear()
            answer = await client.get("/")
            visitors.append((httpx.Cookies(answer.cookies), answer.text))
        stays: list[list[str]] = []
        for share in (2_000, 6_000):
            await serve(router, target, routes(share))
            stays.append([])
            for cookies, _ in visitors:
                client.cookies = cookies
                stays[-1].append((await client.get("/")).text)

    first = [text for _, text in visitors]
    assert stays[0] == first
    assert all(later == "new" for later, earlier in zip(stays[1], first, strict=True) if earlier == "new")
    assert 0 < first.count("new") < stays[1].count("new") < 60


async def test_members_can_be_unix_sockets(router: EnvoyRouter, target: Target, tmp_path: Path) -> None:
    """A member at a path is checked, counted and asked like any other."""
    async with application("old", unix=tmp_path / "app.sock") as app:
        await serve(router, target, Routes((pool(app),), split=Split.all_to("old")))
        async with browser(target) as client:
            assert (await client.get("/")).text == "old"


async def test_a_crashed_envoy_comes_back_with_its_routes(
    router: EnvoyRouter, target: Target, keeper: TaskKeeper, old: Application, new: Application
) -> None:
    """After SIGKILL the keeper starts it, and it serves by the last good document; counting begins anew."""
    routes = Routes((pool(old), pool(new)), split=Split.all_to("new"))
    await serve(router, target, routes)
    before = (await router.counters(target))["new"].incarnation
    state = (await keeper.states())["envoy.shop.production"]
    assert state.pid
    os.kill(state.pid, signal.SIGKILL)

    async def restarted() -> bool:
        return (await keeper.states())["envoy.shop.production"].restarts > 0

    await eventually(restarted)
    seen = await until(
        router, target, lambda seen: seen.acknowledged and len(seen.healthy) == 2, restarting=True
    )
    async with browser(target) as client:
        answered = await shares(client, 5)

    assert seen.written == routes
    assert answered == {"new": 5}
    assert (await router.counters(target))["new"].incarnation != before


async def test_a_refused_document_leaves_the_last_good_one(
    router: EnvoyRouter, target: Target, old: Application, free_port: Callable[[], int]
) -> None:
    """A port in use is refused with Envoy's reason; traffic and state are as before."""
    routes = Routes((pool(old),), split=Split.all_to("old"))
    seen = await serve(router, target, routes)
    taken = Target("shop", endpoint=old.address)

    with pytest.raises(RouterError, match=r"(?s)Envoy refused 'lds.json'.*Address already in use"):
        await router.apply(taken, Routes((pool(old),), split=None), FENCE)

    assert await until(router, target, lambda seen: seen.acknowledged) == seen
    async with browser(target) as client:
        assert (await client.get("/")).text == "old"
    moved = Target("shop", endpoint=f"127.0.0.1:{free_port()}")
    await serve(router, moved, routes)
    async with browser(moved) as client:
        assert (await client.get("/")).text == "old"


async def test_a_first_document_that_is_refused_leaves_nothing(
    router: EnvoyRouter, old: Application, keeper: TaskKeeper, tmp_path: Path
) -> None:
    """No Envoy stays behind, and no state."""
    target = Target("shop", endpoint=old.address)

    with pytest.raises(RouterError, match="Address already in use"):
        await router.apply(target, Routes((pool(old),), split=Split.all_to("old")), FENCE)

    assert await keeper.states() == {}
    assert (await router.observe(target)).written is None


async def test_a_damaged_file_is_mended_by_the_next_apply(
    router: EnvoyRouter, target: Target, old: Application, tmp_path: Path
) -> None:
    """Envoy keeps the last good routes when a file is damaged, and applying the document writes it anew."""
    routes = Routes((pool(old),), split=Split.all_to("old"))
    await serve(router, target, routes)
    folder = tmp_path / "shop" / "production"
    good = (folder / "rds.json").read_bytes()
    (folder / "draft").write_text("{bad")
    (folder / "draft").replace(folder / "rds.json")

    broken = await router.observe(target)
    async with browser(target) as client:
        assert (await client.get("/")).text == "old"
    await serve(router, target, routes)

    assert not broken.acknowledged
    assert (folder / "rds.json").read_bytes() == good


async def test_an_address_that_cannot_be_is_refused_before_anything_is_written(
    router: EnvoyRouter, target: Target, tmp_path: Path, keeper: TaskKeeper
) -> None:
    """A host name, a port of 0 or a missing endpoint starts no Envoy."""
    wrong = Routes((Pool("old", (Member("old-1", "app.example:80"),)),), split=Split.all_to("old"))

    with pytest.raises(InvalidInput, match=r"'app\.example:80': the host must be an IP address"):
        await router.apply(target, wrong, FENCE)
    with pytest.raises(InvalidInput, match="has no endpoint"):
        await router.apply(Target("worker"), Routes(), FENCE)

    assert await keeper.states() == {}
    assert not (tmp_path / "shop" / "production" / "routes.json").exists()


async def test_targets_and_folders_do_not_disturb_each_other(
    keeper: TaskKeeper, tmp_path: Path, free_port: Callable[[], int], old: Application, new: Application
) -> None:
    """Two targets in a folder and a third in another, however deep, each serve their own."""
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    async with kept() as other_keeper:
        near, far = EnvoyRouter(tmp_path, keeper), EnvoyRouter(deep, other_keeper)
        first, second = (
            Target("shop", environment=e, endpoint=f"127.0.0.1:{free_port()}") for e in ("a", "b")
        )
        third = Target("shop", environment="a", endpoint=f"127.0.0.1:{free_port()}")
        await serve(near, first, Routes((pool(old),), split=Split.all_to("old")))
        await serve(near, second, Routes((pool(new),), split=Split.all_to("new")))
        await serve(far, third, Routes((pool(new),), split=Split.all_to("new")))

        await near.remove(second, FENCE)
        answers = []
        for target in (first, third):
            async with browser(target) as client:
                answers.append((await client.get("/")).text)

        assert answers == ["old", "new"]
        with pytest.raises(httpx.ConnectError):
            async with browser(second) as client:
                await client.get("/")
        assert not (tmp_path / "shop" / "b").exists()
