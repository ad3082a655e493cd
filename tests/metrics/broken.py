"""Sources broken in ways that people break them. Not collected by itself: `test_broken.py` runs it."""

# ruff: noqa: D102 -- the class says what is broken in it

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from anyio.lowlevel import checkpoint

from fairdeploy.errors import MetricsError
from fairdeploy.model import Counters, Target
from fairdeploy.testing.conformance import MetricSourceConformance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fairdeploy.protocols import MetricSource
    from fairdeploy.testing.conformance import Counted, Opened


@dataclass
class Shelf:
    """What is counted, wherever that is."""

    counts: dict[tuple[str, str], Counters] = field(default_factory=dict)
    lives: count[int] = field(default_factory=count)
    reachable: bool = True

    async def count(self, target: Target, revision: str, *, requests: int, errors: int) -> None:
        now = self.counts.get((target.id, revision)) or Counters(incarnation=str(next(self.lives)))
        self.counts[target.id, revision] = replace(
            now, requests=now.requests + requests, errors=now.errors + errors
        )

    async def restart(self, target: Target, revision: str) -> None:
        self.counts.pop((target.id, revision), None)

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        self.reachable = False
        yield
        self.reachable = True


class Plain:
    """A source in twenty lines that is not broken."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def counters(self, target: Target, revisions: frozenset[str]) -> Mapping[str, Counters]:
        await checkpoint()
        if not self.shelf.reachable:
            raise MetricsError("the shelf cannot be reached")
        return self.read(target, revisions)

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        known = {each: self.shelf.counts.get((target.id, each)) for each in revisions}
        return {each: counters for each, counters in known.items() if counters is not None}

    def configuration(self) -> str:
        return "plain"


class TellsZeros(Plain):
    """What is not known is told as zero."""

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        return {each: Counters() for each in revisions} | super().read(target, revisions)


class ZeroWhenDown(Plain):
    """What cannot be asked is told as zero."""

    async def counters(self, target: Target, revisions: frozenset[str]) -> Mapping[str, Counters]:
        await checkpoint()
        return (
            self.read(target, revisions) if self.shelf.reachable else {each: Counters() for each in revisions}
        )


class EmptyWhenDown(Plain):
    """What cannot be asked is told as unknown."""

    async def counters(self, target: Target, revisions: frozenset[str]) -> Mapping[str, Counters]:
        await checkpoint()
        return self.read(target, revisions) if self.shelf.reachable else {}


class ForeignError(Plain):
    """What cannot be asked raises whatever it raises."""

    async def counters(self, target: Target, revisions: frozenset[str]) -> Mapping[str, Counters]:
        await checkpoint()
        if not self.shelf.reachable:
            raise ConnectionRefusedError
        return self.read(target, revisions)


class HidesRestarts(Plain):
    """Counting that begins anew looks like the old one."""

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        return {k: replace(v, incarnation="") for k, v in super().read(target, revisions).items()}


class Restless(Plain):
    """Each look seems to begin anew."""

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        return {
            k: replace(v, incarnation=str(next(self.shelf.lives)))
            for k, v in super().read(target, revisions).items()
        }


class MixesTargets(Plain):
    """All targets are counted as one."""

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        found: dict[str, Counters] = {}
        for (_, revision), one in self.shelf.counts.items():
            had = found.get(revision)
            found[revision] = (
                one
                if had is None
                else replace(had, requests=had.requests + one.requests, errors=had.errors + one.errors)
            )
        return {each: found[each] for each in revisions if each in found}


class MixesRevisions(Plain):
    """Errors are those of all revisions."""

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        found = super().read(target, revisions)
        errors = sum(one.errors for one in found.values())
        return {each: replace(one, errors=min(errors, one.requests)) for each, one in found.items()}


class TellsRates(Plain):
    """It tells what happened since the last look."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.last: dict[str, int] = {}

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        found = super().read(target, revisions)
        rates = {k: replace(v, requests=v.requests - self.last.get(k, 0)) for k, v in found.items()}
        self.last |= {k: v.requests for k, v in found.items()}
        return rates


class CountsErrorsTwice(Plain):
    """More errors than there were."""

    def read(self, target: Target, revisions: frozenset[str]) -> dict[str, Counters]:
        return {k: replace(v, errors=2 * v.errors) for k, v in super().read(target, revisions).items()}


class SaysWhereItIs(Plain):
    """Its configuration is another one in every process."""

    def configuration(self) -> str:
        return object.__repr__(self)


BROKEN: dict[type[Plain], str] = {
    TellsZeros: "test_what_is_not_known_is_left_out",
    ZeroWhenDown: "test_what_cannot_be_asked_is_an_error_and_never_zero",
    EmptyWhenDown: "test_what_cannot_be_asked_is_an_error_and_never_zero",
    ForeignError: "test_what_cannot_be_asked_is_an_error_and_never_zero",
    HidesRestarts: "test_counting_that_begins_anew_is_said",
    Restless: "test_what_is_counted_is_found",
    MixesTargets: "test_targets_are_counted_apart",
    MixesRevisions: "test_revisions_are_counted_apart",
    TellsRates: "test_what_is_counted_is_found",
    CountsErrorsTwice: "test_errors_and_buckets_fit_the_requests",
    SaysWhereItIs: "test_its_configuration_is_the_same_in_every_process",
}


class TestPlain(MetricSourceConformance):
    """The one that is not broken."""

    patience = 0.3
    kind: type[Plain] = Plain

    @pytest.fixture
    def shelf(self) -> Shelf:
        return Shelf()

    @pytest.fixture
    def counted(self, shelf: Shelf) -> Counted:
        return shelf

    @pytest.fixture
    def opened(self, shelf: Shelf) -> Opened[MetricSource]:
        @asynccontextmanager
        async def it() -> AsyncIterator[MetricSource]:
            yield self.kind(shelf)

        return it


for _kind in BROKEN:
    globals()[f"Test{_kind.__name__}"] = type(f"Test{_kind.__name__}", (TestPlain,), {"kind": _kind})
