"""Operators, faults and deaths in any order: what must hold after every event, whatever happens.

Hypothesis draws what happens; time is virtual and the loop deterministic, so that a failure is found
again from the steps that it prints, or from its blob.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.lowlevel
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fairdeploy.engine import Deployer
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import (
    BoundCheck,
    CheckResult,
    Command,
    ErrorRate,
    Outcome,
    Release,
    Split,
    Target,
    Verdict,
)
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate, Rolling
from fairdeploy.testing.audit import Audit
from fairdeploy.testing.simulation import Behaviour, Demand, Fault, World
from tests.machine.loop import VirtualLoop
from tests.machine.program import Program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.engine import Rollout
    from fairdeploy.protocols import RolloutInfo, Strategy, Subject

__all__ = ["RUNS", "Fleet"]

T = TypeVar("T")

SHOP = Target("shop", replicas=2, endpoint="127.0.0.1:8080", drain_ms=3_000, stream_drain_ms=3_000)
RELEASES = {v: Release(v, command=["serve", "{port}"]) for v in ("1", "2", "3", "bad", "stuck", "broken")}
BEHAVIOURS = {
    RELEASES["bad"].revision: Behaviour(error_share=0.5),
    RELEASES["stuck"].revision: Behaviour(ready=False),
    RELEASES["broken"].revision: Behaviour(start_error="no such program"),
}
ORACLE = BoundCheck("oracle")
ERRORS = ErrorRate(max_percent=5, min_requests=20)
STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=(50, 100), bake=3, keep_warm=0, analysis=[ORACLE, ERRORS], ready_deadline=20),
    "warm canary": Canary(steps=(50, 100), bake=3, keep_warm=20, analysis=[ERRORS], ready_deadline=20),
    "resuming canary": Canary(
        steps=(50, 100), bake=3, keep_warm=0, analysis=[ERRORS], ready_deadline=20, on_crash="resume"
    ),
    "blue-green": BlueGreen(watch=3, keep_warm=0, preview_header=None, analysis=[ORACLE], ready_deadline=20),
    "rolling": Rolling(max_surge=1, ready_deadline=20),
    "recreate": Recreate(watch=1, ready_deadline=20),
    "approved": Approved(BlueGreen(watch=1, keep_warm=0, preview_header=None), timeout=40),
}
FAULTY = ["backend.observe", "backend.ensure", "backend.quiesce", "backend.remove", "backend.promote"]
FAULTY += ["router.observe", "router.apply", "router.counters"]
LATER = st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0, 15.0])
"""Seconds until the next thing happens."""
RUNS = {"count": 0, "attention": 0, "rollouts": 0}
"""How many runs there were, how many rollouts in them, and how many of these ended in need of attention."""


class Fleet(RuleBasedStateMachine):
    """A target, and whoever acts on it."""

    def __init__(self) -> None:
        super().__init__()
        RUNS["count"] += 1
        self.loop = VirtualLoop()
        demand = Demand(rate=20, low_ms=20, high_ms=400)
        self.world = World(BEHAVIOURS, demand=demand, check_seconds=0.01)
        self.audit = Audit(self.world)
        self.journal = self.audit.watched(MemoryJournal(self.world.clock))
        self.programs: list[Program] = []
        self.answer = Verdict.PASS
        self.excused: set[str] = set()
        self.do(self.start("first", lambda deployer: self.deploying(deployer, "1", "recreate")))
        self.after(20)

    # The driver.

    def do(self, call: Awaitable[T]) -> T:
        """Run something now, and everybody else with it."""

        async def put() -> T:
            return await call

        return self.loop.run_until_complete(put())

    def after(self, seconds: float) -> None:
        """Let time pass, and look at what must hold."""
        self.do(anyio.sleep(seconds))
        self.holds()

    async def start(self, name: str, deed: Callable[[Deployer], Awaitable[object]]) -> Program:
        """Start a program."""
        checks = {"oracle": self.audit.asked("oracle", self.oracle)}
        program = Program(f"{name}-{len(self.programs)}", self.world, self.journal, checks)
        self.programs.append(program)
        self.audit.note(f"program {program.name} starts")
        program.task = self.loop.create_task(program.run(deed))
        return program

    async def oracle(self, subject: Subject, /) -> CheckResult:
        """Answer what was drawn."""
        return CheckResult(self.answer, "as drawn")

    async def deploying(
        self, deployer: Deployer, version: str, strategy: str, conflict: str = "refuse"
    ) -> None:
        """Deploy."""
        await deployer.deploy(SHOP, RELEASES[version], STRATEGIES[strategy], on_conflict=conflict)  # type: ignore[arg-type]  # a Literal

    async def recreating(self, deployer: Deployer) -> None:
        """Deploy another version, with a gap."""
        await self.deploying(deployer, "2", "recreate")

    def tell(self, line: str) -> None:
        """Add a line to the trace."""

        async def note() -> None:
            self.audit.note(line)

        self.do(note())

    def alive(self) -> list[Program]:
        """List the programs that run."""
        return [program for program in self.programs if program.running and not program.dead]

    # What happens.

    @rule(
        version=st.sampled_from(sorted(RELEASES)),
        strategy=st.sampled_from(sorted(STRATEGIES)),
        conflict=st.sampled_from(["refuse", "queue", "supersede"]),
        later=LATER,
    )
    def deploy(self, version: str, strategy: str, conflict: str, later: float) -> None:
        """Somebody deploys, whoever else does."""
        if strategy == "recreate":
            self.excused.add("no_member")
        self.do(self.start("deploy", lambda deployer: self.deploying(deployer, version, strategy, conflict)))
        self.after(later)

    @rule(verb=st.sampled_from(["rollback", "restart", "scale", "recover", "abort"]), later=LATER)
    def act(self, verb: str, later: float) -> None:
        """Somebody does something else."""
        deeds: dict[str, Callable[[Deployer], Awaitable[object]]] = {
            "rollback": lambda deployer: deployer.rollback(SHOP),
            "restart": lambda deployer: deployer.restart(SHOP),
            "scale": lambda deployer: deployer.scale(SHOP, 3),
            "recover": lambda deployer: deployer.recover(),
            "abort": lambda deployer: deployer.abort(SHOP, reason="drawn"),
        }
        self.do(self.start(verb, deeds[verb]))
        self.after(later)

    @rule(verb=st.sampled_from(["pause", "resume", "promote", "full", "abort"]), later=LATER)
    def command(self, verb: str, later: float) -> None:
        """Somebody steers whatever goes on."""

        async def deed(deployer: Deployer) -> None:
            info = (await deployer.status(SHOP)).rollout
            if info is None:
                return
            rollout = await deployer.attach(info.id)
            await _steer(rollout, verb)

        self.do(self.start(verb, deed))
        self.after(later)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), boundaries=st.integers(0, 25), later=LATER)
    def kill(self, data: st.DataObject, boundaries: int, later: float) -> None:
        """A program dies, now or some boundaries later."""
        program = data.draw(st.sampled_from(self.alive()))
        program.dies_in = boundaries
        self.tell(f"program {program.name} dies in {boundaries} boundaries")
        self.after(later)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), boundaries=st.integers(0, 3))
    def kill_at_promotion(self, data: st.DataObject, boundaries: int) -> None:
        """A program dies just after its point of no return, and somebody finds it."""
        program = data.draw(st.sampled_from(self.alive()))
        before = self.audit.promotions
        for _ in range(600):
            if self.audit.promotions > before or not program.running:
                break
            self.after(0.02)
        program.dies_in = boundaries
        self.tell(f"program {program.name} dies in {boundaries} boundaries")
        self.after(0.5)
        self.seen_dead()
        self.after(4)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), later=LATER)
    def stop(self, data: st.DataObject, later: float) -> None:
        """A program is stopped in the middle; its lease runs out meanwhile."""
        program = data.draw(st.sampled_from(self.alive()))
        program.stop()
        self.tell(f"program {program.name} is stopped")
        self.after(later)

    @precondition(lambda self: any(program.stopped for program in self.programs))
    @rule(later=LATER)
    def go_on(self, later: float) -> None:
        """Whoever was stopped goes on."""
        for program in self.programs:
            program.go_on()
        self.tell("all go on")
        self.after(later)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), boundaries=st.integers(0, 25), later=LATER)
    def seize(self, data: st.DataObject, boundaries: int, later: float) -> None:
        """A program is stopped at a boundary, taken for dead, recovered by another one, and wakes."""
        program = data.draw(st.sampled_from(self.alive()))
        program.stops_in = boundaries
        self.tell(f"program {program.name} is stopped in {boundaries} boundaries")
        self.after(2)
        self.seen_dead()
        self.after(later)
        program.stops_in = None
        program.go_on()
        self.after(later)

    @rule(
        call=st.sampled_from(FAULTY),
        kind=st.sampled_from(["before", "after", "delay", "late", "stale"]),
        skip=st.integers(0, 3),
        times=st.integers(1, 3),
        seconds=st.sampled_from([0.1, 2.0, 20.0]),
    )
    def fault(self, call: str, kind: str, skip: int, times: int, seconds: float) -> None:
        """Something is going to go wrong."""
        if kind == "stale" and not call.endswith(("observe", "counters")):
            kind = "after"
        fault = Fault(call=call, kind=kind, skip=skip, times=times, seconds=seconds)  # type: ignore[arg-type]  # a Literal
        self.world.faults.append(replace(fault, times=1) if kind == "stale" else fault)

    @rule(verdict=st.sampled_from(sorted(Verdict)), later=LATER)
    def judge(self, verdict: str, later: float) -> None:
        """The check answers otherwise from now on."""
        self.answer = Verdict(verdict)
        self.after(later)

    @rule(seconds=st.sampled_from([-3_600.0, 60.0, 3_600.0]), later=LATER)
    def jump(self, seconds: float, later: float) -> None:
        """The wall clock is set: leases look expired, or live for ever."""
        self.world.clock.jump(seconds)  # type: ignore[attr-defined]  # a `VirtualClock`
        self.tell(f"the clock is set by {seconds:+} s")
        self.after(later)

    @rule(later=st.sampled_from([1.0, 10.0, 30.0]))
    def wait(self, later: float) -> None:
        """Nothing happens."""
        self.after(later)

    def seen_dead(self) -> None:
        """Every lease expires, and somebody recovers what looks left."""
        self.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
        self.do(self.start("recover", lambda deployer: deployer.recover()))

    # What must hold.

    @invariant()
    def holds(self) -> None:
        """No invariant was broken, no request lost, and no program ended by surprise."""
        said = self.audit.complaints
        said += [f"{p.name} ended by {p.trouble!r}" for p in self.programs if p.trouble is not None]
        said += [f"I10: lost: {loss}" for loss in self.world.losses if loss.cause not in self.excused]
        assert not said, f"{said[0]} ({len(said)} in all)\n\n{self.audit.trace(25)}"

    def teardown(self) -> None:
        """Let the next program bring everything to an end, and compare it with the journal."""
        try:
            self.world.faults.clear()
            self.answer = Verdict.PASS
            for program in self.programs:
                program.kill()
            for _ in range(20):
                if not any(program.running for program in self.programs):
                    break
                self.after(1)
            hanging = [program.name for program in self.programs if program.running]
            assert not hanging, f"dead programs hang: {hanging}\n{self.audit.trace()}"
            for _ in range(3):
                self._recovered()
                if all(not info.open and not info.due for info in self.do(self.journal.rollouts())):
                    break
            self._is_as_the_journal_says()
        finally:
            for program in self.programs:
                if program.task is not None:
                    program.task.cancel()
            self.do(anyio.lowlevel.checkpoint())
            self.loop.close()

    def _recovered(self) -> None:
        for info in self.do(self.journal.rollouts(SHOP.id, unfinished=True)):
            # A pause lasts until somebody ends it, whoever drives the rollout.
            self.do(self.journal.send(info.id, Command(verb="resume")))
        self.world.clock.jump(7_200)  # type: ignore[attr-defined]  # a `VirtualClock`
        program = self.do(self.start("last", lambda deployer: deployer.recover()))
        for _ in range(200):
            if not program.running:
                break
            self.after(2)
        assert not program.running, f"I6: recovery does not come to its end\n{self.audit.trace()}"

    def _is_as_the_journal_says(self) -> None:
        infos = self.do(self.journal.rollouts())
        RUNS["rollouts"] += len(infos)
        RUNS["attention"] += sum(_needs_attention(info) for info in infos)
        left = [info.id for info in infos if info.open or info.due]
        assert not left, f"I6: unfinished after recovery: {left}\n{self.audit.trace()}"
        if any(_needs_attention(info) for info in infos):
            return
        stable = None
        for info in infos:
            if info.result is not None and info.result.promoted and info.plan.point_of_no_return:
                stable = info.plan.bases[0].candidate
        place = self.world.place(SHOP.id)
        split = place.written.split if place.written else None
        running = {machine.revision for machine in place.running()}
        seen = (place.stable, split, running)
        wanted = (stable, Split.all_to(stable) if stable else None, {stable} - {None})
        assert seen == wanted, f"I6: {seen} is there, {wanted} should be\n{self.audit.trace(40)}"
        assert not any(machine.quiescing for machine in place.running()), self.audit.trace()


async def _steer(rollout: Rollout, verb: str) -> None:
    match verb:
        case "pause":
            await rollout.pause()
        case "resume":
            await rollout.resume()
        case "abort":
            await rollout.abort()
        case _:
            await rollout.promote(full=verb == "full")


def _needs_attention(info: RolloutInfo) -> bool:
    return info.result is not None and info.result.outcome is Outcome.NEEDS_ATTENTION
