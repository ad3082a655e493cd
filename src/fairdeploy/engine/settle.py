"""Bringing one step about: look, decide, apply, and look again until it is observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

import anyio

from fairdeploy.engine.decide import (
    Decision,
    Done,
    Effect,
    Failed,
    Observable,
    Remove,
    Situation,
    Wait,
    decide,
    decide_mark,
)
from fairdeploy.engine.run import Run, StepFailed
from fairdeploy.errors import FairdeployError, Fenced, StartError
from fairdeploy.model import Base, Drain, Progressed, Promote, Retire, Retried, Shift

if TYPE_CHECKING:
    from fairdeploy.engine.world import Seen

__all__ = ["settle", "settle_mark"]

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.1
"""Seconds between two looks: short at first, because most effects are quick, then growing."""
_ASK_AGAIN = 1.0
"""Seconds after which an effect that is not yet observed is applied again."""
_TELL = 1.0
"""Seconds between two progress records."""
_LAST_WORDS = 20
"""Lines of each instance's log that go into the evidence of a failure."""

_Decide: TypeAlias = Callable[["Seen"], Decision]


async def settle(run: Run, step: Observable, *, backwards: bool = False) -> str:
    """Bring a step about and return what was observed, in a few words.

    Args:
        run: The rollout.
        step: The step; its intent is in the journal already.
        backwards: Whether this is the way back, which nothing interrupts.

    Raises:
        StepFailed: If it cannot be done, or not before its deadline.
        Stopped: If the rollout is to stop.
        Fenced: If somebody has taken over.
    """
    base = run.base(step)
    routed = run.backend(base).router is not None and base.target.endpoint is not None

    def next_for(seen: Seen) -> Decision:
        situation = Situation(
            plan=run.history.plan,
            base=base,
            rule=step if isinstance(step, Shift) else run.history.rule(base.target.id),
            backwards=backwards,
            routed=routed,
        )
        return decide(step, situation, seen)

    settling = _Settling(run, step, base, next_for, interruptible=not backwards)
    if backwards and isinstance(step, Retire):
        # A look may be stale: what was started is asked to go once, whatever is seen.
        await settling.apply(Remove(step.revision))
    return await settling.until_done()


async def settle_mark(run: Run, step: Promote, base: Base) -> str:
    """Bring a promotion about on one of its targets. Nothing interrupts it: there is no way back.

    Raises:
        StepFailed: If it cannot be done before its deadline.
        Fenced: If somebody has taken over.
    """

    def next_for(seen: Seen) -> Decision:
        return decide_mark(step, base.target.id, seen)

    return await _Settling(run, step, base, next_for, interruptible=False).until_done()


@final
@dataclass(slots=True)
class _Settling:
    """One step on its way."""

    run: Run
    step: Observable | Promote
    base: Base
    next_for: _Decide
    interruptible: bool
    began: float = 0.0
    looked: bool = False
    pause: float = _FIRST_PAUSE
    asked: Effect | None = None
    asked_at: float = 0.0
    acted_at: float = 0.0
    steady_since: float | None = None
    told: str = ""
    told_at: float = float("-inf")
    trouble: str = ""
    last: str = ""

    async def until_done(self) -> str:
        """Look and act until the step is observed."""
        self.began = self._now()
        while True:
            control = self.run.control
            if control.gone or (self.interruptible and not self.run.history.promoting):
                control.check()
            try:
                detail = await self._once()
            except FairdeployError as error:
                await self._endure(error)
            else:
                if detail is not None:
                    return detail
            if self._waited_ms() > _deadline_ms(self.step):
                seconds = _deadline_ms(self.step) / 1000
                await self._fail(f"{self.step.id!r} was not done within {seconds:g} s ({self.last})")
            await self._breathe()

    async def _once(self) -> str | None:
        # The look that ended the step before, or by which the way back was found, will do to begin with.
        seen = await self.run.look(self.base, recent=not self.looked)
        self.looked = True
        decision = self.next_for(seen)
        match decision:
            case Done():
                return self._steady(decision)
            case Wait():
                self.steady_since = None
                await self._tell(decision.message)
                if decision.overdue_ms is not None and self._idle_ms() >= decision.overdue_ms:
                    return f"{decision.message}, cut after {decision.overdue_ms / 1000:g} s"
                return None
            case Failed():
                return await self._fail(decision.message)
            case _:
                self.steady_since = None
                if decision != self.asked or self._now() - self.asked_at > _ASK_AGAIN:
                    await self.apply(decision)
                return None

    def _steady(self, done: Done) -> str | None:
        if self.steady_since is None:
            self.steady_since = self._now()
        if (self._now() - self.steady_since) * 1000 >= done.steady_ms:
            return done.detail
        return None

    async def apply(self, effect: Effect) -> None:
        """Apply an effect, with the step's one key."""
        if effect != self.asked:
            self.pause = 0.0
        self.asked, self.asked_at = effect, self._now()
        await self.run.apply(effect, self.base, step=self.step.id)
        self.acted_at = self._now()

    async def _endure(self, error: FairdeployError) -> None:
        """Try again what may pass; fail on what will not."""
        if isinstance(error, Fenced):
            raise error
        if not error.retryable:
            words = error.last_words if isinstance(error, StartError) else ()
            await self._fail(str(error).partition("\n")[0], words)
        self.asked = self.steady_since = None
        self.pause = max(self.pause, error.retry_after or 0.0)
        self.last = str(error)
        if str(error) != self.trouble:
            self.trouble = str(error)
            await self.run.record(Retried(step=self.step.id, error=f"{type(error).__name__}: {error}"))

    async def _fail(self, reason: str, words: tuple[str, ...] = ()) -> str:
        raise StepFailed(reason, words or await self._last_words())

    async def _last_words(self) -> tuple[str, ...]:
        revision = getattr(self.step, "revision", None)
        if revision is None:
            return ()
        try:
            said = await self.run.backend(self.base).tail(self.base.target, revision, _LAST_WORDS)
        except FairdeployError as error:
            return (f"the last words of {revision!r} cannot be read: {error}",)
        return tuple(f"{instance}: {line}" for instance, lines in sorted(said.items()) for line in lines)

    async def _tell(self, message: str) -> None:
        self.last = message
        if message == self.told or self._now() - self.told_at < _TELL:
            return
        first, self.told, self.told_at = not self.told, message, self._now()
        if not first:
            await self.run.record(Progressed(step=self.step.id, message=message))

    async def _breathe(self) -> None:
        if not self.pause:
            # Something was just asked for: it may be there already.
            self.pause = _FIRST_PAUSE
            return
        if self.interruptible:
            await self.run.control.wait(self.pause)
        else:
            await anyio.sleep(self.pause)
        self.pause = min(self.pause * 1.5, _LONGEST_PAUSE)

    def _now(self) -> float:
        return self.run.clock.monotonic()

    def _idle_ms(self) -> float:
        # A slow effect does not use up the time of those who are to end after it.
        return (self._now() - max(self.began, self.acted_at)) * 1000

    def _waited_ms(self) -> float:
        return (self._now() - self.began) * 1000


_DRAIN_MARGIN_MS = 30_000


def _deadline_ms(step: Observable | Promote) -> int:
    if isinstance(step, Drain):
        # Its own deadlines end it in time; this one is for a router that cannot be asked.
        return max(step.requests_ms, step.streams_ms) + _DRAIN_MARGIN_MS
    return step.deadline_ms
