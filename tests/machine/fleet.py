"""Operators, faults and deaths in any order: what must hold after every event, whatever happens.

Time is virtual and the loop deterministic, so that what was drawn once can be played again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.lowlevel
import sniffio

from fairdeploy.journal import MemoryJournal
from fairdeploy.model import CheckResult, Command, Outcome, Split, Verdict
from fairdeploy.strategies import sequence
from fairdeploy.testing.audit import Audit
from fairdeploy.testing.clock import VirtualClock
from fairdeploy.testing.simulation import Behaviour, Demand, Fault, World
from tests.machine.loop import VirtualLoop
from tests.machine.menu import BEHAVIOURS, RELEASES, STRATEGIES, TARGETS, Happening
from tests.machine.program import Program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.engine import Deployer, Rollout
    from fairdeploy.model import TargetId
    from fairdeploy.protocols import RolloutInfo, Subject

__all__ = ["Fleet"]

T = TypeVar("T")

_LEASE = 1.0
"""Seconds: shorter than the longest fault."""


class Fleet:
    """Two targets, and whoever acts on them.

    Attributes:
        attention: How many rollouts ended in need of attention; known at the end.
        rollouts: How many there were; known at the end.
    """

    def __init__(self, seed: int = 0) -> None:
        """Make an empty world."""
        # As `anyio.run` does: else each call looks for the library anew.
        sniffio.current_async_library_cvar.set("asyncio")
        self.loop = VirtualLoop()
        self.clock = VirtualClock(time=self.loop.time)
        demand = Demand(rate=40, low_ms=5, high_ms=100)
        default = Behaviour(start_seconds=0.1, restart_seconds=0.1, job_seconds=0.1)
        self.world = World(
            BEHAVIOURS,
            default=default,
            demand=demand,
            ack_seconds=0.02,
            check_seconds=0.01,
            clock=self.clock,
            seed=seed,
        )
        self.audit = Audit(self.world)
        self.journal = self.audit.watched(MemoryJournal(self.clock))
        self.programs: list[Program] = []
        self.answer = Verdict.PASS
        self.excused: set[str] = {"lost"}
        self.attention = self.rollouts = 0

    def begin(self) -> None:
        """Let a first program bring up the first version."""
        first = self.start("first", lambda deployer: self.deploying(deployer, "1", "recreate", ["shop"]))
        while first.running:
            self.after(0.2)

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

    def happen(self, happening: Happening) -> None:
        """Let something happen; what cannot happen now does not."""
        if happening.name in self.possible():
            getattr(self, happening.name)(**happening.arguments)

    def possible(self) -> set[str]:
        """Return what can happen now."""
        names = {"deploy", "act", "command", "fault", "judge", "jump", "lose", "wait"}
        if self.alive():
            names |= {"kill", "kill_at_promotion", "stop", "seize"}
        if any(program.stopped for program in self.programs):
            names.add("go_on")
        return names

    def start(self, name: str, deed: Callable[[Deployer], Awaitable[object]]) -> Program:
        """Start a program."""
        checks = {"oracle": self.audit.asked("oracle", self.oracle)}
        program = Program(f"{name}-{len(self.programs)}", self.world, self.journal, checks, lease=_LEASE)
        self.programs.append(program)

        async def begin() -> None:
            self.audit.note(f"program {program.name} starts")
            program.task = self.loop.create_task(program.run(deed))

        self.do(begin())
        return program

    async def oracle(self, subject: Subject, /) -> CheckResult:
        """Answer what was drawn."""
        return CheckResult(self.answer, "as drawn")

    async def deploying(
        self, deployer: Deployer, version: str, strategy: str, where: list[str], conflict: str = "refuse"
    ) -> None:
        """Deploy to one target, or to several in one rollout."""
        how, what = STRATEGIES[strategy], RELEASES[version]
        if len(where) == 1:
            await deployer.deploy(TARGETS[where[0]], what, how, on_conflict=conflict)  # type: ignore[arg-type]  # a Literal
            return
        plans = [await deployer.plan(TARGETS[each], what, how) for each in where]
        async with deployer.run(sequence(*plans), on_conflict=conflict) as rollout:  # type: ignore[arg-type]  # a Literal
            await rollout.result()

    def tell(self, line: str) -> None:
        """Add a line to the trace."""

        async def note() -> None:
            self.audit.note(line)

        self.do(note())

    def alive(self) -> list[Program]:
        """List the programs that run."""
        return [program for program in self.programs if program.running and not program.dead]

    # What happens: see `MENU`.

    def deploy(self, version: str, strategy: str, where: str, conflict: str, later: float) -> None:
        """Somebody deploys, whoever else does."""
        if strategy == "recreate":
            self.excused.add("no_member")
        targets = list(TARGETS) if where == "both" else [where]
        self.start("deploy", lambda deployer: self.deploying(deployer, version, strategy, targets, conflict))
        self.after(later)

    def act(self, verb: str, where: str, later: float) -> None:
        """Somebody does something else."""
        target = TARGETS[where]
        deeds: dict[str, Callable[[Deployer], Awaitable[object]]] = {
            "rollback": lambda deployer: deployer.rollback(target),
            "restart": lambda deployer: deployer.restart(target),
            "scale": lambda deployer: deployer.scale(target, 3),
            "recover": lambda deployer: deployer.recover(),
            "abort": lambda deployer: deployer.abort(target, reason="drawn"),
        }
        self.start(verb, deeds[verb])
        self.after(later)

    def command(self, verb: str, where: str, later: float) -> None:
        """Somebody steers whatever goes on."""

        async def deed(deployer: Deployer) -> None:
            info = (await deployer.status(TARGETS[where])).rollout
            if info is None:
                return
            rollout = await deployer.attach(info.id)
            await _steer(rollout, verb)

        self.start(verb, deed)
        self.after(later)

    def kill(self, who: int, boundaries: int, later: float) -> None:
        """A program dies, now or some boundaries later."""
        self._dying(who, boundaries)
        self.after(later)

    def kill_at_promotion(self, who: int, boundaries: int) -> None:
        """A program dies just after its point of no return, and somebody finds it."""
        program = self._one(who)
        before = self.audit.promotions
        for _ in range(200):
            if self.audit.promotions > before or not program.running:
                break
            self.after(0.02)
        self._dying(who, boundaries, program)
        self.after(0.2)
        self.seen_dead()
        self.after(1)

    def stop(self, who: int, later: float) -> None:
        """A program is stopped in the middle; its lease runs out meanwhile."""
        program = self._one(who)
        program.stop()
        self.tell(f"program {program.name} is stopped")
        self.after(later)

    def go_on(self, later: float) -> None:
        """Whoever was stopped goes on."""
        for program in self.programs:
            program.go_on()
        self.tell("all go on")
        self.after(later)

    def seize(self, who: int, boundaries: int, later: float) -> None:
        """A program is stopped at a boundary, taken for dead, recovered by another one, and wakes."""
        program = self._one(who)
        program.stops_in = boundaries
        self.tell(f"program {program.name} is stopped in {boundaries} boundaries")
        self.after(0.2)
        self.seen_dead()
        self.after(later)
        program.stops_in = None
        program.go_on()
        self.after(later)

    def fault(self, call: str, kind: str, skip: int, times: int, seconds: float) -> None:
        """Something is going to go wrong."""
        looks = call.endswith(("observe", "counters"))
        if kind == "odd":
            # A list is seldom wrong twice in a row; and nothing stands against losing all of its instances.
            kind = (("stale", "partial") if looks else ("twice", "lost"))[times % 2]
            times = 1
        self.world.faults.append(Fault(call=call, kind=kind, skip=skip, times=times, seconds=seconds))  # type: ignore[arg-type]  # a Literal
        self.tell(f"fault: {self.world.faults[-1]}")

    def lose(self, where: str, later: float) -> None:
        """A node goes, and an instance with it."""

        async def gone() -> None:
            self.world.lose_one(TARGETS[where].id)
            self.audit.note("an instance of", where, "is lost")

        self.do(gone())
        self.after(later)

    def judge(self, verdict: str, later: float) -> None:
        """The check answers otherwise from now on."""
        self.answer = Verdict(verdict)
        self.after(later)

    def jump(self, seconds: float, later: float) -> None:
        """The wall clock is set: leases look expired, or live for ever."""
        self.clock.jump(seconds)
        self.tell(f"the clock is set by {seconds:+} s")
        self.after(later)

    def wait(self, later: float) -> None:
        """Nothing happens."""
        self.after(later)

    def seen_dead(self) -> None:
        """Every lease expires, and somebody recovers what looks left."""
        self.clock.jump(60)
        self.start("recover", lambda deployer: deployer.recover())

    def _one(self, who: int) -> Program:
        alive = self.alive()
        return alive[who % len(alive)]

    def _dying(self, who: int, boundaries: int, program: Program | None = None) -> None:
        program = program or self._one(who)
        program.dies_in = boundaries
        self.tell(f"program {program.name} dies in {boundaries} boundaries")

    # What must hold.

    def holds(self) -> None:
        """No invariant was broken, no request lost, and no program ended by surprise."""
        said = self.audit.complaints
        said += [f"{p.name} ended by {p.trouble!r}" for p in self.programs if p.trouble is not None]
        said += [f"I10: lost: {loss}" for loss in self.world.losses if loss.cause not in self.excused]
        assert not said, f"{said[0]} ({len(said)} in all)\n\n{self.audit.trace(25)}"

    def end(self) -> None:
        """Let the next program bring everything to an end, and compare it with the journal."""
        self.world.faults.clear()
        self.answer = Verdict.PASS
        for program in self.programs:
            program.kill()
        for _ in range(40):
            if not any(program.running for program in self.programs):
                break
            self.after(0.5)
        hanging = [program.name for program in self.programs if program.running]
        assert not hanging, f"dead programs hang: {hanging}\n{self.audit.trace()}"
        for _ in range(3):
            self._recovered()
            if all(not info.open and not info.due for info in self.do(self.journal.rollouts())):
                break
        self._is_as_the_journal_says()

    def close(self) -> None:
        """Let go of everything, however it ended."""
        for program in self.programs:
            if program.task is not None:
                program.task.cancel()
        self.do(anyio.lowlevel.checkpoint())
        self.loop.close()

    def _recovered(self) -> None:
        for info in self.do(self.journal.rollouts(unfinished=True)):
            # A pause lasts until somebody ends it, whoever drives the rollout.
            self.do(self.journal.send(info.id, Command(verb="resume")))
        self.clock.jump(7_200)
        program = self.start("last", lambda deployer: deployer.recover())
        for _ in range(800):
            if not program.running:
                break
            self.after(0.5)
        assert not program.running, f"I6: recovery does not come to its end\n{self.audit.trace()}"

    def _is_as_the_journal_says(self) -> None:
        infos = self.do(self.journal.rollouts())
        self.rollouts = len(infos)
        self.attention = sum(_needs_attention(info) for info in infos)
        left = [info.id for info in infos if info.open or info.due]
        assert not left, f"I6: unfinished after recovery: {left}\n{self.audit.trace()}"
        if not self.attention:
            for target in TARGETS.values():
                self._is_promoted(target.id, infos)

    def _is_promoted(self, target: TargetId, infos: tuple[RolloutInfo, ...]) -> None:
        stable = None
        for info in infos:
            point = info.plan.point_of_no_return
            if point is not None and info.result is not None and info.result.promoted:
                stable = dict(point.targets).get(target, stable)
        place = self.world.place(target)
        split = place.written.split if place.written else None
        running = {machine.revision for machine in place.running()}
        routed = any(each.id == target and each.endpoint for each in TARGETS.values())
        seen = (place.stable, split, running)
        wanted = (stable, Split.all_to(stable) if stable and routed else None, {stable} - {None})
        assert seen == wanted, f"I6: {target}: {seen} is there, {wanted} should be\n{self.audit.trace(40)}"
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
