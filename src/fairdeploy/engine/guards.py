"""Guards: checks that run beside the steps, and what follows from their verdicts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.analysis import difference, judge
from fairdeploy.engine.control import Stop
from fairdeploy.errors import FairdeployError, Unbound
from fairdeploy.health import run_check
from fairdeploy.model import (
    Action,
    BoundCheck,
    Check,
    CheckResult,
    Counters,
    ErrorRate,
    Guard,
    Held,
    Judged,
    Latency,
    Paused,
    Released,
    Verdict,
)
from fairdeploy.model.check import is_asked
from fairdeploy.protocols import Subject

if TYPE_CHECKING:
    from fairdeploy.engine.run import Run
    from fairdeploy.model import Base, RevisionId

__all__ = ["Watch", "ask", "fault"]

_LONGEST_LOOK = 60.0
"""Seconds after which a check without a deadline of its own is given up as an ``error``."""


def fault(error: Exception) -> CheckResult:
    """Return what a check that raised has found: nothing, so neither a pass nor a fail."""
    kind = "" if isinstance(error, FairdeployError) else f"{type(error).__name__}: "
    return CheckResult(Verdict.ERROR, f"{kind}{error}")


async def ask(run: Run, check: Check, base: Base, revision: RevisionId) -> CheckResult:
    """Ask a check that is not about counters, once.

    Raises:
        Unbound: If it is a callable that this process was not given.
        BackendError: If the revision's instances cannot be observed.
    """
    if check.scope == "shared":
        subject = Subject(target=base.target)
    else:
        seen = await run.look(base)
        subject = Subject(target=base.target, revision=revision, instances=seen.answering(revision))
        if not subject.instances:
            return CheckResult(Verdict.FAIL, f"revision {revision!r} has no instance to ask")
    if isinstance(check, BoundCheck):
        bound = run.checks.get(check.name)
        if bound is None:
            msg = f"check {check.name!r} is not given to this Deployer: pass checks={{{check.name!r}: ...}}"
            raise Unbound(msg)
        return await bound(subject)
    if not is_asked(check):
        msg = f"{check.kind!r} is judged from counters, not asked"
        raise TypeError(msg)
    return await run_check(check, subject, bound=run.checks)


@final
@dataclass(slots=True)
class Watch:
    """One guard at work."""

    run: Run
    guard: Guard
    seen: deque[tuple[float, Counters]] = field(default_factory=deque)
    shifts: int = -1
    failures: int = 0
    verdict: Verdict | None = None
    looked_at_shifts: int = -1
    held_since: float | None = None
    held: float = 0.0
    exhausted: bool = False

    async def watch(self) -> None:
        """Look again and again from the guard's beginning to its end."""
        control = self.run.control
        while self.guard.since not in control.settled:
            await control.wait(None)
        due = self._now()
        while self.guard.until not in control.settled:
            if self._now() >= due or self.shifts != control.shifts:
                due = self._now() + self.guard.every_ms / 1000
                await self.look()
            await control.wait(due - self._now())
        await self._release("the guard has ended")

    async def look(self) -> None:
        """Judge once and act on it."""
        shifts = self.run.control.shifts
        result = await self._judge()
        self.looked_at_shifts = shifts
        await self._follow(self._debounced(result))

    def _now(self) -> float:
        return self.run.clock.monotonic()

    async def _judge(self) -> CheckResult:
        base = self.run.history.plan.base(self.guard.target)
        try:
            with anyio.fail_after(max(_LONGEST_LOOK, self.guard.every_ms / 1000)):
                if isinstance(self.guard.check, (ErrorRate, Latency)):
                    return judge(self.guard.check, await self._counted(base, self.guard.check))
                return await ask(self.run, self.guard.check, base, self.guard.candidate)
        except TimeoutError:
            return CheckResult(Verdict.ERROR, "the check did not answer in time")
        except Exception as error:  # noqa: BLE001 - a check is anybody's code: whatever it raises is the verdict `error`
            return fault(error)

    async def _counted(self, base: Base, check: ErrorRate | Latency) -> Counters:
        """Return what was counted since the split last changed, or within the check's window."""
        router = self.run.backend(base).router
        if router is None:
            msg = f"guard {self.guard.id!r} needs a router's counters, and there is no router"
            raise Unbound(msg)
        counters = (await router.counters(base.target)).get(self.guard.candidate, Counters())
        now = self._now()
        if self.shifts != self.run.control.shifts or (
            self.seen and difference(counters, self.seen[0][1]) is None
        ):
            self.shifts = self.run.control.shifts
            self.seen.clear()
        self.seen.append((now, counters))
        if check.window_ms is None:
            while len(self.seen) > 2:
                del self.seen[1]
        else:
            while len(self.seen) > 1 and (now - self.seen[1][0]) * 1000 >= check.window_ms:
                self.seen.popleft()
        return difference(counters, self.seen[0][1]) or Counters()

    def _debounced(self, result: CheckResult) -> CheckResult:
        if result.verdict is not Verdict.FAIL:
            self.failures = 0
            return result
        self.failures += 1
        if self.failures >= self.guard.failures:
            return result
        message = f"{result.message} ({self.failures} of {self.guard.failures} failures in a row)"
        return CheckResult(Verdict.INCONCLUSIVE, message, evidence=result.evidence)

    async def _follow(self, result: CheckResult) -> None:
        action = self.guard.on[result.verdict]
        new = result.verdict is not self.verdict
        if new:
            self.verdict = result.verdict
            await self.run.record(
                Judged(guard=self.guard.id, verdict=result.verdict, action=action, message=result.message)
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
