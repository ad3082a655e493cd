"""What stops, holds or hurries a rollout: one small state that the step loop, the guards and commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import anyio

from fairdeploy.model import Command

__all__ = ["Control", "Leave", "Stop", "Stopped"]


_SHORTEST = 0.001


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a rollout goes back.

    Args:
        outcome: What it will have ended as, once it is back.
        reason: One sentence.
        evidence: What was seen.
    """

    outcome: Literal["rolled_back", "aborted", "superseded"]
    reason: str
    evidence: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Why this process acts no more.

    Args:
        why: ``detached``: parked for others to go on with; ``gone``: left as if this process had died;
            ``handed``: its next step is for whoever is handed the lease; ``fenced``: others already act;
            ``ended``: there is nothing left to do.
    """

    why: Literal["detached", "gone", "handed", "fenced", "ended"]


class Stopped(Exception):
    """Raised in the step loop when `Control.stop` has been called."""


@final
class Control:
    """The shared state. Every change wakes everybody who waits.

    ``era`` is even while the split stands still and odd while it changes; no two times share one. ``obeyed`` is the
    position in the journal up to which commands have been obeyed.
    """

    def __init__(self) -> None:
        """Begin with nothing stopped, held or hurried."""
        self.stopped: Stop | Leave | None = None
        self.paused = False
        self.full = False
        self.skips = 0
        self.obeyed = 0
        self.holds: dict[str, str] = {}
        self.settled: set[str] = set()
        self.shifts = 0
        self.era = 0
        self.step = ""
        self._changed = anyio.Event()

    def stop(self, stop: Stop | Leave) -> None:
        """Stop the rollout. The first reason counts; being fenced overrides any other."""
        fenced = isinstance(stop, Leave) and stop.why == "fenced"
        if self.stopped is None or fenced:
            self.stopped = stop
            self.wake()

    def wake(self) -> None:
        """Wake everybody who waits."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait for a change, at most so long (``None``: without limit), at least a millisecond.

        A shorter wait may be no wait at all: added to a large clock reading it is rounded away.
        """
        changed = self._changed
        if seconds is None:
            await changed.wait()
        else:
            with anyio.move_on_after(max(_SHORTEST, seconds)):
                await changed.wait()

    @property
    def frozen(self) -> bool:
        """Whether the rollout's clock stands still."""
        return self.paused or bool(self.holds)

    @property
    def free(self) -> bool:
        """Whether nothing keeps the next step from beginning."""
        return self.stopped is None and not self.frozen

    @property
    def gone(self) -> bool:
        """Whether this process is to act no more, wherever it is; whoever comes next goes on."""
        return isinstance(self.stopped, Leave) and self.stopped.why == "gone"

    def check(self) -> None:
        """Raise `Stopped` if the rollout is to stop.

        Raises:
            Stopped: If it is.
        """
        if self.stopped is not None:
            raise Stopped

    async def thawed(self) -> None:
        """Wait while paused or held.

        Raises:
            Stopped: If the rollout is to stop.
        """
        self.check()
        while self.frozen:
            await self.wait(None)
            self.check()

    def hold(self, guard: str, message: str) -> bool:
        """Stop the clock on a guard's behalf; return whether that is new."""
        new = guard not in self.holds
        self.holds[guard] = message
        if new:
            self.wake()
        return new

    def release(self, guard: str) -> bool:
        """End a guard's hold; return whether there was one."""
        if self.holds.pop(guard, None) is None:
            return False
        self.wake()
        return True

    def begin_shift(self) -> None:
        """Tell the guards that the split is about to change: what is counted until it has is of no one split."""
        self.era |= 1

    def mark_settled(self, step: str, *, shift: bool = False) -> None:
        """Tell the guards how far the plan has come."""
        self.settled.add(step)
        self.shifts += shift
        if shift:
            self.era = (self.era | 1) + 1
        self.wake()

    def take_skip(self) -> bool:
        """Return whether the present wait is to be ended, using up one `promote`."""
        if self.full:
            return True
        if self.skips:
            self.skips -= 1
            return True
        return False

    def obey(self, command: Command) -> Literal["paused", "resumed", "nothing"]:
        """Carry a command out; return what must be journaled for it."""
        by = f" by {command.by}" if command.by else ""
        reason = f": {command.reason}" if command.reason else ""
        match command.verb:
            case "pause":
                was, self.paused = self.paused, True
                self.wake()
                return "nothing" if was else "paused"
            case "resume":
                was, self.paused = self.paused, False
                self.wake()
                return "resumed" if was else "nothing"
            case "promote":
                was, self.paused = self.paused, False
                self.full = self.full or command.full
                self.skips += not command.full and not was
                self.wake()
                return "resumed" if was else "nothing"
            case "abort":
                self.stop(Stop(outcome="aborted", reason=f"aborted{by}{reason}"))
            case "supersede":
                self.stop(Stop(outcome="superseded", reason=f"superseded{by}{reason}"))
        return "nothing"
