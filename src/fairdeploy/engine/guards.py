"""Guards: checks that run beside the steps, and what follows from their verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine.asking import ask, fault
from fairdeploy.engine.comparing import Batches, Window, nearness
from fairdeploy.engine.control import Stop
from fairdeploy.engine.guard_state import GuardState
from fairdeploy.engine.sources import source_of
from fairdeploy.errors import FairdeployError
from fairdeploy.model import Action, CheckResult, Guard, Held, Judged, Paused, Released, Verdict
from fairdeploy.model.check import is_comparison, is_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.engine.comparing import Counted
    from fairdeploy.engine.run import Run
    from fairdeploy.model import Base, Split

__all__ = ["Watch", "closed"]

_LONGEST_LOOK = 60.0
"""Seconds after which a check without a deadline of its own is given up as an ``error``."""
_LONGEST_CLOSE = 5.0
"""Seconds that a change of the split waits for the last look before it; what is not counted by then is not judged."""
_RETOLD = 60.0
"""Seconds after which a comparison's evidence is journaled though its verdict stays: a crash costs no more of it."""


async def closed(watches: Sequence[Watch]) -> tuple[tuple[str, str], ...]:
    """Count up to now, before the split changes; return what each guard knows, for the journal."""
    async with anyio.create_task_group() as tasks:
        for watch in watches:
            tasks.start_soon(watch.close)
    return tuple((watch.guard.id, text) for watch in watches if (text := watch.state()))


@final
@dataclass(slots=True)
class Watch:
    """One guard at work."""

    run: Run
    guard: Guard
    memory: Batches | Window | None = None
    failures: int = 0
    judged: tuple[Verdict, Action] | None = None
    judged_at: float = 0.0
    looked_at_shifts: int = -1
    held_since: float | None = None
    held: float = 0.0
    exhausted: bool = False
    last: bool = False
    unreadable: Exception | None = None
    looking: anyio.Lock = field(default_factory=anyio.Lock)

    def __post_init__(self) -> None:
        """Go on from what the journal holds."""
        try:
            known = GuardState.read(self.run.history.states.get(self.guard.id, ""))
            if is_comparison(self.guard.check):
                self.memory = Batches.of(self.guard.check, self.guard, known.comparison)
        except FairdeployError as error:
            # Told as the verdict `error`: what it knew must not be judged without.
            self.unreadable = error
            return
        if is_threshold(self.guard.check):
            self.memory = Window(self.guard.check, self.guard)
        self.held, self.exhausted, self.failures = known.held_ms / 1000, known.exhausted, known.failures
        before = self.run.history.verdicts.get(self.guard.id)
        if before is not None and self.run.stepwise:
            # Told already: a pause that followed from it is not asked for once more at each step.
            self.judged, self.judged_at = (before.verdict, before.action), self._now()

    def state(self) -> str:
        """Return what the guard knows, for the journal."""
        if self.unreadable is not None:
            return ""
        held = self.held + (self._now() - self.held_since if self.held_since is not None else 0.0)
        return GuardState(
            held_ms=round(held * 1000),
            exhausted=self.exhausted,
            failures=self.failures,
            comparison=self.memory.state.write() if isinstance(self.memory, Batches) else "",
        ).write()

    async def watch(self) -> None:
        """Look again and again from the guard's beginning to its end."""
        control = self.run.control
        while self.guard.since not in control.settled:
            await control.wait(None)
        due = self._now()
        while self.guard.until not in control.settled:
            if self._now() >= due or self.looked_at_shifts != control.shifts:
                due = self._now() + self.guard.every_ms / 1000
                await self.look()
            await control.wait(due - self._now())
        await self._release("the guard has ended")

    async def look(self, *, last: bool = False) -> None:
        """Judge once and act on it.

        Args:
            last: Whether the promotion follows, unless a verdict is against it. So it stays from then on.
        """
        async with self.looking:
            first, self.last = last and not self.last, self.last or last
            self.looked_at_shifts = self.run.control.shifts
            result, shared = await self._judge()
            await self._follow(self._debounced(result), shared=shared, tell=first)

    async def close(self) -> None:
        """Take what was counted until now in, if this guard compares; no verdict follows."""
        if isinstance(self.memory, Batches) and self.guard.since in self.run.control.settled:
            with anyio.move_on_after(_LONGEST_CLOSE):
                async with self.looking:
                    await self._judge()

    def _now(self) -> float:
        return self.run.clock.monotonic()

    async def _judge(self) -> tuple[CheckResult, bool]:
        """Return the verdict, and whether the baseline fails alike."""
        if self.unreadable is not None:
            return fault(self.unreadable), False
        base = self.run.history.plan.base(self.guard.target)
        try:
            with anyio.fail_after(max(_LONGEST_LOOK, self.guard.every_ms / 1000)):
                if self.memory is None:
                    return await ask(self.run, self.guard.check, base, self.guard.candidate), False
                return await self._counted(base, self.memory)
        except TimeoutError:
            return CheckResult(Verdict.ERROR, "the check did not answer in time"), False
        except Exception as error:  # noqa: BLE001 - a check is anybody's code: whatever it raises is the verdict `error`
            return fault(error), False

    async def _counted(self, base: Base, memory: Batches | Window) -> tuple[CheckResult, bool]:
        control = self.run.control
        era, shifts = control.era, control.shifts
        both = (self.guard.candidate, self.guard.baseline)
        revisions = frozenset(revision for revision in both if revision is not None)
        counted: Counted = await source_of(self.run, self.guard, base).counters(base.target, revisions)
        if isinstance(memory, Window):
            return memory.look(self._now(), counted, shifts)
        if era % 2 or era != control.era:
            return memory.between(), False
        return memory.look(counted, era, self._split(base)), False

    def _split(self, base: Base) -> Split | None:
        rule = self.run.history.rule(base.target.id)
        return base.split if rule is None else rule.split

    def _debounced(self, result: CheckResult) -> CheckResult:
        if result.verdict is not Verdict.FAIL:
            self.failures = 0
            return result
        self.failures += 1
        if self.failures >= self.guard.failures:
            return result
        message = f"{result.message} ({self.failures} of {self.guard.failures} failures in a row)"
        return CheckResult(Verdict.INCONCLUSIVE, message, evidence=result.evidence)

    def _action(self, result: CheckResult, *, shared: bool) -> Action:
        """Return what the plan says that follows."""
        action = self.guard.shared_fault if shared else self.guard.on[result.verdict]
        undecided = result.verdict in {Verdict.INCONCLUSIVE, Verdict.NO_DATA} and action is Action.CONTINUE
        check = self.guard.check
        if not (self.last and undecided and is_comparison(check) and check.scope == "revision"):
            return action
        policy = self.run.history.plan.undecided
        far = nearness(check, result) <= policy.limit and not self._anything_failed()
        return policy.far if far else policy.near

    def _anything_failed(self) -> bool:
        """Whether a check on the candidate itself has failed in this rollout."""
        failed = self.run.history.failed
        return any(each.id in failed and each.scope == "revision" for each in self.run.history.plan.guards)

    async def _follow(self, result: CheckResult, *, shared: bool, tell: bool) -> None:
        action = self._action(result, shared=shared)
        new = (result.verdict, action) != self.judged
        # At the last look a comparison tells where it stands: what is promoted is promoted by that.
        if new or (isinstance(self.memory, Batches) and (tell or self._now() - self.judged_at >= _RETOLD)):
            self.judged, self.judged_at = (result.verdict, action), self._now()
            await self.run.record(
                Judged(
                    guard=self.guard.id,
                    verdict=result.verdict,
                    action=action,
                    message=result.message,
                    state=self.state(),
                )
            )
        if action is Action.HOLD:
            action, new = await self._hold(result), True
        else:
            await self._release(result.message)
        if action is Action.PAUSE and new:
            # Once for each change of verdict: whoever resumes knows better, until something new is seen.
            await self._pause(result)
        elif action is Action.ROLLBACK:
            self._convict(result)

    async def _hold(self, result: CheckResult) -> Action:
        """Hold, and return what follows now: `Action.HOLD`, or the guard's ``then`` at its limit."""
        if self.exhausted:
            return Action.CONTINUE
        if self.held_since is None:
            self.held_since = self._now()
            await self.run.record(Held(guard=self.guard.id, message=result.message))
            self.run.control.hold(self.guard.id, result.message)
        held = self.held + self._now() - self.held_since
        if held * 1000 < self.guard.hold_limit_ms:
            return Action.HOLD
        self.exhausted = True
        await self._release(
            f"the limit of {self.guard.hold_limit_ms / 1000:g} s is reached: {self.guard.then}"
        )
        return self.guard.then

    async def _release(self, message: str) -> None:
        if self.held_since is None:
            return
        self.held += self._now() - self.held_since
        self.held_since = None
        await self.run.record(Released(guard=self.guard.id, message=message))
        self.run.control.release(self.guard.id)

    async def _pause(self, result: CheckResult) -> None:
        if not self.run.control.paused:
            await self.run.record(Paused(reason=f"{self.guard.id}: {result.message}"))
            self.run.control.paused = True
            self.run.control.wake()

    def _convict(self, result: CheckResult) -> None:
        evidence: tuple[str, ...] = (f"{self.guard.id}: {result.verdict}: {result.message}",)
        if result.evidence is not None:
            evidence += (f"{self.guard.id}: {result.evidence}",)
        self.run.control.stop(
            Stop(outcome="rolled_back", reason=f"{self.guard.id}: {result.message}", evidence=evidence)
        )
