"""Runs drawn from seeds: one number is enough to see the same run again."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.machine.fleet import Fleet
from tests.machine.menu import drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.machine.menu import Happening

__all__ = ["Run", "play", "run_seed", "shortened"]

_MOST = 12
"""Longest run, in happenings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        seed: What it was drawn from.
        happenings: What happened.
        broken: What did not hold, the trace with it; empty if all did.
        rollouts: How many rollouts there were in it.
        attention: How many of them ended in need of attention.
    """

    seed: int
    happenings: tuple[Happening, ...]
    broken: str
    rollouts: int = 0
    attention: int = 0

    @property
    def first_word(self) -> str:
        """What is broken, such as ``I2``."""
        return self.broken.partition(":")[0]


def run_seed(seed: int) -> Run:
    """Draw a run from a seed, each happening from what is possible by then, and run it."""
    chance = Random(seed)
    return _run(seed, [], lambda fleet: drawn(chance, fleet.possible()), chance.randint(2, _MOST))


def play(seed: int, happenings: Sequence[Happening]) -> Run:
    """Run what happened before, or a part of it, in the world of its seed."""
    left = iter(happenings)
    return _run(seed, [], lambda _: next(left), len(happenings))


def shortened(run: Run) -> Run:
    """Return a run that is broken in the same way by fewer happenings, if leaving one out does it."""
    shortest = run
    for index in reversed(range(len(run.happenings))):
        fewer = shortest.happenings[:index] + shortest.happenings[index + 1 :]
        tried = play(run.seed, fewer)
        if tried.broken and tried.first_word == run.first_word:
            shortest = tried
    return shortest


def _run(seed: int, happened: list[Happening], following: Callable[[Fleet], Happening], count: int) -> Run:
    fleet = Fleet(seed)
    broken = ""
    try:
        fleet.begin()
        for _ in range(count):
            happened.append(following(fleet))
            fleet.happen(happened[-1])
        fleet.end()
    except AssertionError as error:
        broken = str(error)
    finally:
        fleet.close()
    return Run(
        seed=seed,
        happenings=tuple(happened),
        broken=broken,
        rollouts=fleet.rollouts,
        attention=fleet.attention,
    )
