"""Many crash points, one after the other in one house: all of them, or as many of a shuffled pack as time allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import TYPE_CHECKING, TypeAlias, final

import anyio

from fairdeploy.testing.crash.stories import STORIES
from fairdeploy.testing.crash.trial import Fault, Finding, count_boundaries, staged, try_point

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.testing.crash.house import Housing
    from fairdeploy.testing.crash.trial import Stage

__all__ = ["DOUBLE", "SINGLE", "House", "Survey", "survey"]

House: TypeAlias = "Callable[[], AbstractAsyncContextManager[Housing]]"
"""Gives a new and empty house while it is entered, and leaves nothing of it."""

SINGLE: tuple[Fault, ...] = (("kill",), ("stop",))
DOUBLE: tuple[Fault, ...] = (("kill", "kill"), ("kill", "stop"), ("stop", "kill"))

_LATEST = 16
"""A second death is at one of so many boundaries of the recovery, by chance."""


@final
@dataclass(slots=True)
class Survey:
    """What was found.

    Args:
        seed: Of what was tried.
        boundaries: Of each story, as they were counted.
        findings: One per point that was tried.
        requests: Sent by the visitors.
        lost: Of these; without those that stories with downtime lost.
    """

    seed: int
    boundaries: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    requests: int = 0
    lost: int = 0

    @property
    def wrong(self) -> list[Finding]:
        """The points after which something was not as it must be."""
        return [finding for finding in self.findings if finding.wrong]

    @property
    def reached(self) -> int:
        """How many points were."""
        return sum(finding.reached for finding in self.findings)

    def __str__(self) -> str:
        """Return it in a line."""
        return (
            f"{self.reached} crash points (seed {self.seed}): {len(self.wrong)} wrong ends, "
            f"{self.lost} of {self.requests} requests lost"
        )


async def survey(
    house: House,
    *,
    seed: int,
    stories: Collection[str] = tuple(STORIES),
    faults: Sequence[Fault] = SINGLE,
    seconds: float | None = None,
    tell: Callable[[Finding], None] = lambda _: None,
) -> Survey:
    """Count the boundaries of each story, then try them, in an order that the seed decides.

    After a wrong end the rest goes on in a new house.

    Args:
        house: Gives a new one.
        seed: Of the order, and of where second deaths are.
        stories: Which.
        faults: Which.
        seconds: No point is begun after so long, once one was reached; ``None``: all of them are tried.
        tell: Called with each finding as it comes.
    """
    found = Survey(seed)
    chance = Random(seed)  # noqa: S311 -- to be repeated, no secret
    pack: list[tuple[str, Fault, str]] = []
    late = anyio.current_time() + seconds if seconds is not None else float("inf")
    while True:
        async with house() as housing, staged(housing) as stage:
            if not found.boundaries:
                pack = await _pack(stage, stories, faults, found)
                chance.shuffle(pack)
            clean = True
            while pack and clean and (anyio.current_time() < late or not found.reached):
                story, fault, place = pack.pop()
                at: list[str | int] = [place, *(chance.randint(1, _LATEST) for _ in fault[1:])]
                async with stage.watched(story):
                    finding = await try_point(stage, story, fault, *at)
                found.findings.append(finding)
                tell(finding)
                clean = not finding.wrong
        if stage.load is not None:
            report = stage.load.report()
            found.requests += report.requests
            found.lost += report.lost - stage.by_design
        if not pack or (anyio.current_time() >= late and found.reached):
            return found


async def _pack(
    stage: Stage, stories: Collection[str], faults: Sequence[Fault], found: Survey
) -> list[tuple[str, Fault, str]]:
    pack: list[tuple[str, Fault, str]] = []
    for story in stories:
        async with stage.watched(story):
            names = await count_boundaries(stage, story)
        found.boundaries[story] = len(names)
        pack += [(story, fault, name) for fault, name in product(faults, names)]
    return pack
