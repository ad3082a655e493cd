from __future__ import annotations

import anyio
import pytest
from trio.testing import MockClock

from fairdeploy.errors import BackendError, Fenced, RouterError, StartError
from fairdeploy.model import Capability, Job, Member, Pool, Release, Routes, Split, Target
from fairdeploy.protocols import Backend, Clock, Fence, Journal, TrafficRouter
from fairdeploy.testing.clock import VirtualClock
from fairdeploy.testing.simulation import (
    Behaviour,
    Demand,
    Effect,
    Fault,
    SimulatedBackend,
    SimulatedRouter,
    World,
    check_invariants,
)
from tests.journal.plans import plan

pytestmark = pytest.mark.anyio

TARGET = Target("shop", replicas=2, endpoint="127.0.0.1:8080")
OLD = Release("1.0", command=["serve", "{port}"])
NEW = Release("1.1", command=["serve", "{port}"])


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Let hours pass in milliseconds."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


def _fence(epoch: int = 1, key: str = "k") -> Fence:
    return Fence(epoch=epoch, key=key)


async def _up(backend: SimulatedBackend, release: Release, replicas: int = 2) -> None:
    await backend.ensure(TARGET, release.revision, release, replicas, _fence())
    await anyio.sleep(5)


async def _route(backend: SimulatedBackend, split: Split | None) -> None:
    deployment = await backend.observe(TARGET)
    pools = tuple(
        Pool(each.id, tuple(Member(i.id, i.address or "") for i in each.ready))
        for each in deployment.revisions
    )
    assert backend.router is not None
    await backend.router.apply(TARGET, Routes(pools, split=split), _fence())
    await anyio.sleep(1)


async def _serving(world: World) -> SimulatedBackend:
    """Return a backend whose old release serves everything."""
    backend = SimulatedBackend(world)
    await _up(backend, OLD)
    await _route(backend, None)
    await _route(backend, Split.all_to(OLD.revision))
    await backend.promote(TARGET, OLD.revision, _fence())
    return backend


def test_it_is_what_the_protocols_ask_for() -> None:
    """A type checker holds the simulation to the protocols."""
    world = World()
    backend: Backend = SimulatedBackend(world)
    router: TrafficRouter = SimulatedRouter(world)
    clock: Clock = VirtualClock()
    journal: Journal = backend.journal
    assert all(each is not None for each in (backend, router, clock, journal))


async def test_an_instance_is_ready_after_its_start() -> None:
    """Readiness comes with virtual time."""
    backend = SimulatedBackend(World(default=Behaviour(start_seconds=10)))
    await backend.ensure(TARGET, OLD.revision, OLD, 2, _fence())

    early = (await backend.observe(TARGET)).revisions[0]
    await anyio.sleep(10)
    late = (await backend.observe(TARGET)).revisions[0]

    assert (early.replicas, len(early.instances), len(early.ready), len(late.ready)) == (2, 2, 0, 2)


async def test_effects_are_level_triggered() -> None:
    """The same call again changes nothing, and says so in the log."""
    backend = SimulatedBackend()
    for _ in range(2):
        await backend.ensure(TARGET, OLD.revision, OLD, 2, _fence())

    assert [effect.changed for effect in backend.world.effects] == [True, False]
    assert len((await backend.observe(TARGET)).revisions[0].instances) == 2


async def test_only_drained_instances_are_stopped() -> None:
    """Asking for fewer stops none; naming one stops that one."""
    backend = SimulatedBackend()
    await _up(backend, OLD, 3)
    first, *others = (await backend.observe(TARGET)).revisions[0].instances

    await backend.ensure(TARGET, OLD.revision, OLD, 2, _fence())
    untouched = (await backend.observe(TARGET)).revisions[0].instances
    await backend.quiesce(TARGET, frozenset({first.id}), _fence())
    await backend.ensure(TARGET, OLD.revision, OLD, 2, _fence(), drained=frozenset({first.id}))
    left = (await backend.observe(TARGET)).revisions[0].instances

    assert len(untouched) == 3
    assert [i.id for i in left] == [i.id for i in others]


async def test_an_older_epoch_is_fenced() -> None:
    """Once a newer holder has acted, an older one changes nothing: on the backend, and apart from it on the router."""
    backend = SimulatedBackend()
    assert backend.router is not None
    await backend.ensure(TARGET, OLD.revision, OLD, 1, _fence(epoch=2))

    with pytest.raises(Fenced, match="epoch 1, but 2"):
        await backend.ensure(TARGET, OLD.revision, OLD, 5, _fence(epoch=1))
    await backend.router.apply(TARGET, Routes(), _fence(epoch=1))
    await backend.router.apply(TARGET, Routes(), _fence(epoch=3))
    with pytest.raises(Fenced, match="epoch 2, but 3"):
        await backend.router.apply(TARGET, Routes(), _fence(epoch=2))
    assert len((await backend.observe(TARGET)).revisions[0].instances) == 1


async def test_the_router_acknowledges_later() -> None:
    """A document is written at once and served after its time."""
    backend = SimulatedBackend(World(ack_seconds=2))
    await _up(backend, OLD)
    router = backend.router
    assert router is not None
    ready = (await backend.observe(TARGET)).revisions[0].ready
    pool = Pool(OLD.revision, tuple(Member(i.id, i.address or "") for i in ready))

    await router.apply(TARGET, Routes((pool,)), _fence())
    before = await router.observe(TARGET)
    await anyio.sleep(2)
    after = await router.observe(TARGET)

    assert (before.acknowledged, before.healthy) == (False, frozenset())
    assert after.acknowledged
    assert after.healthy == {i.id for i in ready}


async def test_a_careful_switch_loses_nothing() -> None:
    """Start, make known, shift, drain, stop: no request is lost and no invariant broken."""
    backend = await _serving(World(demand=Demand(rate=100)))
    await _up(backend, NEW)
    await _route(backend, Split.all_to(OLD.revision))
    await _route(backend, Split.all_to(NEW.revision))
    await backend.promote(TARGET, NEW.revision, _fence())
    await anyio.sleep(5)
    await backend.remove(TARGET, OLD.revision, _fence())
    await anyio.sleep(5)
    await backend.observe(TARGET)

    assert check_invariants(backend) == []
    assert backend.world.sent > 1_000
    assert backend.world.losses == ()


@pytest.mark.parametrize("shape", ["careful", "careless", "crashing", "none"])
async def test_every_request_has_one_end(shape: str) -> None:
    """A request is answered, lost, turned away or still under way: none vanishes, none counts twice."""
    crash = 7.0 if shape == "crashing" else None
    world = World(demand=Demand(rate=80, stream_share=0.1), default=Behaviour(crash_seconds=crash))
    backend = await _serving(world)
    await anyio.sleep(10)
    if shape == "careless":
        victims = frozenset(i.id for i in (await backend.observe(TARGET)).revisions[0].instances)
        await backend.ensure(TARGET, OLD.revision, OLD, 0, _fence(), drained=victims)
        await anyio.sleep(10)
    if shape == "none":
        await _route(backend, None)
    assert backend.router is not None
    traffic = await backend.router.observe(TARGET)
    under_way = sum((traffic.in_flight or {}).values())

    assert world.sent == world.answered + len(world.losses) + world.unrouted + under_way
    assert bool(world.unrouted) is (shape == "none")
    assert bool(world.losses) is (shape in {"careless", "crashing"})


async def test_a_router_that_looks_late_sends_into_the_void() -> None:
    """Members are healthy a while longer, and again a while later, than they are ready."""
    world = World(demand=Demand(rate=100), check_seconds=0.5)
    backend = await _serving(world)
    backend.world.crash((await backend.observe(TARGET)).revisions[0].instances[0].id)
    await anyio.sleep(10)
    await backend.observe(TARGET)

    assert {loss.cause for loss in world.losses} == {"crashed", "not_ready"}
    # One of two instances is gone; the router learns it half a second later.
    assert 20 <= sum(loss.cause == "not_ready" for loss in world.losses) <= 30


async def test_streams_are_counted_apart() -> None:
    """Long-lived streams stay in flight, and the router says how many they are."""
    backend = await _serving(World(demand=Demand(rate=10, stream_share=1, stream_seconds=600)))
    await anyio.sleep(60)
    assert backend.router is not None
    traffic = await backend.router.observe(TARGET)

    assert traffic.streams == sum((traffic.in_flight or {}).values()) > 500


async def test_abilities_can_be_taken_away() -> None:
    """A backend without an ability does not declare it, and a router that cannot count does not."""
    without = frozenset({Capability.DRAIN_COUNTED, Capability.JOBS})
    backend = SimulatedBackend(without=without)
    alone = SimulatedBackend(routed=False)
    assert backend.router is not None

    assert not backend.capabilities & without
    assert (await backend.router.observe(TARGET)).in_flight is None
    assert alone.router is None
    assert Capability.WEIGHTS not in alone.capabilities


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_it_runs_in_real_time_too() -> None:
    """On a loop with a real clock the same world takes real milliseconds."""
    backend = SimulatedBackend(World(default=Behaviour(start_seconds=0.01), ack_seconds=0.01))
    await backend.ensure(TARGET, OLD.revision, OLD, 1, _fence())
    with anyio.fail_after(10):
        while not (await backend.observe(TARGET)).revisions[0].ready:  # noqa: ASYNC110 -- it can only be looked at
            await anyio.sleep(0.005)
    lease = await backend.journal.begin("r1", plan(), "me", 1_000)

    assert (await backend.journal.renew(lease)).expires_ms >= lease.expires_ms


async def test_a_careless_stop_loses_requests() -> None:
    """An instance stopped in the middle of its work is a loss, and breaks I2."""
    backend = await _serving(World(demand=Demand(rate=100)))
    victim = (await backend.observe(TARGET)).revisions[0].instances[0]
    await backend.ensure(TARGET, OLD.revision, OLD, 1, _fence(), drained=frozenset({victim.id}))

    assert {loss.cause for loss in backend.world.losses} == {"stopped"}
    assert any(said.startswith("I2") for said in check_invariants(backend))


async def test_weight_without_capacity_is_found() -> None:
    """A revision that gets traffic before it is ready breaks I1, and its requests are lost."""
    world = World({NEW.revision: Behaviour(start_seconds=60)}, demand=Demand(rate=100))
    backend = await _serving(world)
    await backend.ensure(TARGET, NEW.revision, NEW, 2, _fence())
    await _route(backend, Split.between(OLD.revision, NEW.revision, 5_000))
    await backend.observe(TARGET)

    assert any(said.startswith("I1") for said in check_invariants(backend))
    assert {loss.cause for loss in world.losses} == {"no_member"}


async def test_counters_tell_revisions_apart() -> None:
    """Errors are counted for the revision that makes them, and the split is kept."""
    world = World({NEW.revision: Behaviour(error_share=0.5)}, demand=Demand(rate=200))
    backend = await _serving(world)
    await _up(backend, NEW)
    await _route(backend, Split.all_to(OLD.revision))
    await _route(backend, Split.between(OLD.revision, NEW.revision, 5_000))
    await anyio.sleep(20)
    assert backend.router is not None
    counters = await backend.router.counters(TARGET)

    assert counters[OLD.revision].errors == 0
    assert 0.4 < counters[NEW.revision].errors / counters[NEW.revision].requests < 0.6
    assert counters[NEW.revision].latency.counts[-1] == counters[NEW.revision].requests


async def test_counting_begins_anew_with_a_new_pool() -> None:
    """A revision that lost its pool and got one again has another incarnation."""
    backend = await _serving(World(demand=Demand(rate=100)))
    router = backend.router
    assert router is not None
    before = (await router.counters(TARGET))[OLD.revision]
    await router.apply(TARGET, Routes(), _fence())
    await _route(backend, Split.all_to(OLD.revision))
    after = (await router.counters(TARGET))[OLD.revision]

    assert before.incarnation != after.incarnation


async def test_the_same_seed_gives_the_same_world() -> None:
    """Two runs with one seed are equal, request by request."""
    seen = []
    for _ in range(2):
        backend = await _serving(World(demand=Demand(rate=50), default=Behaviour(error_share=0.3), seed=7))
        await anyio.sleep(10)
        assert backend.router is not None
        seen.append((await backend.router.counters(TARGET))[OLD.revision])

    assert seen[0].errors == seen[1].errors > 0


@pytest.mark.parametrize(("kind", "applied"), [("before", 0), ("after", 2)])
async def test_an_effect_can_fail_around_its_effect(kind: str, applied: int) -> None:
    """A fault raises before anything happened, or after everything did; the next call goes well."""
    fault = Fault(call="backend.ensure", kind="before" if kind == "before" else "after")
    backend = SimulatedBackend(World(faults=[fault]))
    with pytest.raises(BackendError, match=f"failed {kind} its effect"):
        await backend.ensure(TARGET, OLD.revision, OLD, 2, _fence())
    seen = (await backend.observe(TARGET)).revisions

    assert sum(len(each.instances) for each in seen) == applied
    await backend.ensure(TARGET, OLD.revision, OLD, 2, _fence())


async def test_a_fault_waits_for_its_turn_and_repeats() -> None:
    """`skip` calls go well, then `times` fail."""
    backend = SimulatedBackend(World(faults=[Fault(call="router.apply", skip=1, times=2)]))
    router = backend.router
    assert router is not None
    failed = []
    for _ in range(5):
        try:
            await router.apply(TARGET, Routes(), _fence())
            failed.append(False)
        except RouterError:
            failed.append(True)

    assert failed == [False, True, True, False, False]


async def test_an_observation_can_be_stale() -> None:
    """A stale read shows what was seen before, not what is."""
    backend = SimulatedBackend(World(faults=[Fault(call="backend.observe", kind="stale", skip=1)]))
    await backend.observe(TARGET)
    await backend.ensure(TARGET, OLD.revision, OLD, 1, _fence())

    stale, fresh = await backend.observe(TARGET), await backend.observe(TARGET)

    assert (len(stale.revisions), len(fresh.revisions)) == (0, 1)


async def test_an_answer_can_take_its_time() -> None:
    """A delayed effect has happened long before its call returns; a late one happens late."""
    faults = [Fault(call="backend.ensure", kind=kind, seconds=30) for kind in ("delay", "late")]
    backend = SimulatedBackend(World(faults=faults))
    for release in (OLD, NEW):
        await backend.ensure(TARGET, release.revision, release, 1, _fence())

    assert [round(effect.at) for effect in backend.world.effects] == [0, 60]


async def test_a_crashed_instance_comes_back() -> None:
    """A crash loses what was in flight, takes the instance out, and the keeper restarts it."""
    backend = await _serving(World(demand=Demand(rate=100, low_ms=1_000, high_ms=2_000)))
    victim = (await backend.observe(TARGET)).revisions[0].instances[0].id
    await anyio.sleep(5)
    backend.world.crash(victim)
    down = (await backend.observe(TARGET)).revisions[0].instances[0]
    await anyio.sleep(5)
    again = (await backend.observe(TARGET)).revisions[0].instances[0]

    assert (down.state, down.ready, again.state, again.ready, again.restarts) == (
        "backoff",
        False,
        "running",
        True,
        1,
    )
    assert {loss.cause for loss in backend.world.losses} == {"crashed"}


async def test_instances_can_fail_to_come_up() -> None:
    """A start can be refused with last words, or never end."""
    world = World(
        {
            OLD.revision: Behaviour(start_error="no such file", last_words=("boom",)),
            NEW.revision: Behaviour(ready=False),
        }
    )
    backend = SimulatedBackend(world)
    with pytest.raises(StartError, match="no such file") as caught:
        await backend.ensure(TARGET, OLD.revision, OLD, 1, _fence())
    await backend.ensure(TARGET, NEW.revision, NEW, 1, _fence())
    await anyio.sleep(3_600)

    assert caught.value.last_words == ("boom",)
    assert [each.ready for each in (await backend.observe(TARGET)).revisions] == [()]


async def test_stable_is_not_removed() -> None:
    """The revision that was promoted last stays."""
    backend = await _serving(World())
    with pytest.raises(BackendError, match="is stable"):
        await backend.remove(TARGET, OLD.revision, _fence())


async def test_a_job_runs_once_per_key() -> None:
    """The same key finds the same job, which ends after its time."""
    backend = SimulatedBackend(World(default=Behaviour(job_seconds=10, job_codes={"bad": 3})))
    good, bad = Job("migrate", command=["x"]), Job("bad", command=["x"])
    phases = []
    for _ in range(2):
        for job in (good, bad):
            state = await backend.execute(TARGET, OLD.revision, OLD, job, _fence(key=job.name))
            phases.append((state.phase, state.exit_code))
        await anyio.sleep(10)

    assert phases == [("running", None), ("running", None), ("succeeded", 0), ("failed", 3)]
    assert [effect.changed for effect in backend.world.effects] == [True, True, False, False]


async def test_a_program_can_die_at_an_effect() -> None:
    """What the hook raises leaves the call, before or after the effect."""

    def die(moment: str, effect: Effect) -> None:
        if (moment, effect.name) == ("after", "backend.ensure"):
            raise KeyboardInterrupt

    world = World(hook=die)
    backend = SimulatedBackend(world)
    with pytest.raises(KeyboardInterrupt):
        await backend.ensure(TARGET, OLD.revision, OLD, 1, _fence())

    assert len((await SimulatedBackend(world).observe(TARGET)).revisions) == 1


@pytest.mark.parametrize("call", ["backend.observe", "backend.ensure"])
async def test_a_throttled_call_says_when_to_try_again(call: str) -> None:
    """Until then every call of its name is refused; others go on."""
    backend = SimulatedBackend(World(faults=[Fault(call=call, kind="throttle", seconds=10)]))

    async def do() -> None:
        if call == "backend.observe":
            await backend.observe(TARGET)
        else:
            await backend.ensure(TARGET, OLD.revision, OLD, 1, _fence())

    with pytest.raises(BackendError, match="throttled") as first:
        await do()
    await anyio.sleep(4)
    with pytest.raises(BackendError, match="throttled") as second:
        await do()
    await anyio.sleep(6)
    await do()

    assert (first.value.retry_after, second.value.retry_after) == (10, 6)
    assert backend.world.throttled == [call, call]


async def test_an_effect_can_be_delivered_twice() -> None:
    """The second delivery finds all done; after somebody has taken over it is refused."""
    faults = [Fault(call="backend.ensure", kind="twice", seconds=5, times=2)]
    backend = SimulatedBackend(World(faults=faults))
    await backend.ensure(TARGET, OLD.revision, OLD, 2, _fence())
    async with anyio.create_task_group() as tasks:

        async def late() -> None:
            with pytest.raises(Fenced):
                await backend.ensure(TARGET, OLD.revision, OLD, 3, _fence())

        tasks.start_soon(late)
        await anyio.sleep(1)
        await backend.quiesce(TARGET, frozenset(), _fence(epoch=2))

    assert [effect.changed for effect in backend.world.effects] == [True, False, True, False]
    assert len((await backend.observe(TARGET)).revisions[0].instances) == 3


async def test_capacity_can_be_lost() -> None:
    """An instance dies for good with what is in flight on it, but never the last one that is ready."""
    world = World(demand=Demand(rate=100, low_ms=1_000, high_ms=2_000))
    backend = await _serving(world)
    world.faults.append(Fault(call="backend.quiesce", kind="lost", times=5))
    await anyio.sleep(5)
    for _ in range(5):
        await backend.quiesce(TARGET, frozenset(), _fence())
    await anyio.sleep(5)
    revision = (await backend.observe(TARGET)).revisions[0]

    assert (revision.replicas, len(revision.instances), len(revision.ready)) == (2, 1, 1)
    assert {loss.cause for loss in world.losses} == {"lost"}


async def test_a_list_can_lack_a_part() -> None:
    """Some instances are left out once, by backend and router alike, and some revisions of the counters."""
    calls = ("backend.observe", "router.observe", "router.counters")
    world = World(demand=Demand(rate=100))
    backend = await _serving(world)
    assert backend.router is not None
    await anyio.sleep(5)
    world.faults.extend(Fault(call=call, kind="partial") for call in calls)
    seen = []
    for _ in range(2):
        deployment = await backend.observe(TARGET)
        traffic = await backend.router.observe(TARGET)
        counters = await backend.router.counters(TARGET)
        seen.append((len(deployment.revisions[0].instances), len(traffic.healthy), len(counters)))

    (some, healthy, counted), whole = seen
    assert whole == (2, 2, 1)
    assert some < 2
    assert healthy < 2
    assert counted == 0
