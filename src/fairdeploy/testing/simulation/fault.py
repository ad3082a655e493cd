"""What can be made to go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

__all__ = ["Fault"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong at a call.

    Args:
        call: Which, such as ``backend.ensure``, ``backend.observe``, ``router.apply``,
            ``router.observe`` or ``router.counters``.
        kind: ``before``: it raises and nothing has happened. ``after``: it raises though all
            has happened. ``delay``: it happens, and the answer takes ``seconds``. ``late``: it
            happens only after ``seconds``. ``stale``: an observation that repeats the last one.
        skip: Calls of this name that go well first.
        times: Calls in a row that go wrong.
        seconds: For ``delay`` and ``late``.
    """

    call: str
    kind: Literal["before", "after", "delay", "late", "stale"] = "before"
    skip: int = 0
    times: int = 1
    seconds: float = 0.0
