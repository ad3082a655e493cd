"""Begin only while a weekly window is open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Await, Capability, Deployment, Plan, Release, Target, Window
from fairdeploy.model._words import duration as words, window as window_words
from fairdeploy.protocols import Strategy
from fairdeploy.strategies._arguments import Duration, duration, ms
from fairdeploy.strategies._insert import free_id

__all__ = ["Windowed"]


@final
@dataclass(frozen=True, slots=True)
class Windowed:
    """Nothing moves before the window is open. What has begun is finished, also when it closes.

    Args:
        inner: The strategy that waits.
        window: When it may begin.
        timeout: Longest wait, a ``timedelta`` or a number of seconds.
        then: What follows when it has not opened by then: ``abort`` or ``continue``.

    Raises:
        InvalidInput: If a value is out of range.
    """

    inner: Strategy
    window: Window
    timeout: Duration = timedelta(days=7)
    then: Literal["abort", "continue"] = "abort"

    def __post_init__(self) -> None:
        """Prove window, timeout and consequence."""
        if not isinstance(self.window, Window):
            msg = f"window must be a Window, such as Window(days=(0, 1, 2, 3)), not {self.window!r}"
            raise InvalidInput(msg)
        object.__setattr__(self, "timeout", duration(self.timeout, "timeout", low=1))
        if self.then not in {"abort", "continue"}:
            msg = f"then must be 'abort' or 'continue', not {self.then!r}"
            raise InvalidInput(msg)

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the inner plan, to begin in the window.

        Raises:
            UnsupportedCapability: As the inner strategy.
            InvalidInput: As the inner strategy.
        """
        plan = self.inner.plan(release, target, deployment, capabilities)
        if not plan.changes:
            return plan
        step = Await(
            free_id(plan, "window"),
            target=target.id,
            reason="window",
            timeout_ms=ms(self.timeout),
            then=self.then,
            window=self.window,
        )
        note = f"Window: begins {window_words(self.window)}, waits for it at most {words(step.timeout_ms)}."
        return replace(plan, steps=(step, *plan.steps), notes=(*plan.notes, note))
