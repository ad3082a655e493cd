"""What can be made to go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

__all__ = ["Fault", "Kind"]

Kind: TypeAlias = Literal["before", "after", "delay", "late", "throttle", "twice", "lost", "stale", "partial"]
"""How a call goes wrong; see `Fault`."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong at a call.

    Of any call: ``before``: it raises and nothing has happened. ``after``: it raises though all has
    happened. ``delay``: it happens, and the answer takes ``seconds``. ``late``: it happens only after
    ``seconds``. ``throttle``: it is refused, and so is every call of its name for ``seconds``; the
    error says so in ``retry_after``.

    Of effects: ``twice``: it is delivered, and again ``seconds`` later, as by a proxy that repeats what
    got no answer in time. ``lost``: it happens, and then one instance of the target dies for good, with
    what is in flight on it; one that leaves another of its revision ready, or none.

    Of observations: ``stale``: it repeats the last one. ``partial``: it leaves out some of the
    instances, or of the revisions counted, as a list of which a page is missing.

    Args:
        call: Which, such as ``backend.ensure``, ``backend.observe``, ``router.apply``,
            ``router.observe`` or ``router.counters``.
        kind: See above.
        skip: Calls of this name that go well first.
        times: Calls in a row that go wrong.
        seconds: For ``delay``, ``late``, ``throttle`` and ``twice``.
    """

    call: str
    kind: Kind = "before"
    skip: int = 0
    times: int = 1
    seconds: float = 0.0
