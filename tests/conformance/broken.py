"""The toy, broken in ways that people break backends. Not collected by itself: `test_toy.py` runs it."""

# ruff: noqa: D102 -- the class says what is broken in it

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import UnknownTarget
from fairdeploy.model import Deployment, Instance, Job, Release, Revision, Target
from fairdeploy.protocols import Backend, Fence, JobState
from fairdeploy.testing.conformance import BackendConformance, Opened
from tests.conformance.toy import Shelf, Toy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StartsAgain(Toy):
    """Every call starts as many as it names."""

    async def ensure(
        self,
        target: Target,
        revision: str,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[str] = frozenset(),
    ) -> None:
        there = len(self.known(target).get(revision, Revision(revision, replicas=0)).active)
        await super().ensure(target, revision, release, there + replicas, fence, drained=drained)
        self.known(target)[revision] = replace(self.known(target)[revision], replicas=replicas)


class StopsSurplus(Toy):
    """A smaller number stops instances that nobody named."""

    async def ensure(
        self,
        target: Target,
        revision: str,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[str] = frozenset(),
    ) -> None:
        await super().ensure(target, revision, release, replicas, fence, drained=drained)
        one = self.known(target)[revision]
        self.known(target)[revision] = replace(one, instances=(*one.quiescing, *one.active[:replicas]))


class KeepsDrained(Toy):
    """What is drained is never stopped."""

    async def ensure(
        self,
        target: Target,
        revision: str,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[str] = frozenset(),
    ) -> None:
        await super().ensure(target, revision, release, replicas, fence)


class QuiescingStops(Toy):
    """What is to be marked is stopped at once."""

    async def quiesce(self, target: Target, instances: frozenset[str], fence: Fence) -> None:
        for name, one in self.known(target).items():
            left = tuple(each for each in one.instances if each.id not in instances)
            self.known(target)[name] = replace(one, instances=left)


class BelievesAnybody(Toy):
    """Older epochs are served."""

    def fence(self, target: Target, fence: Fence) -> None:
        return


class RemovesStable(Toy):
    """The stable revision goes like any other."""

    async def remove(self, target: Target, revision: str, fence: Fence) -> None:
        self.fence(target, fence)
        self.known(target).pop(revision, None)


class RemovesAll(Toy):
    """Removing one revision removes the others too."""

    async def remove(self, target: Target, revision: str, fence: Fence) -> None:
        await super().remove(target, revision, fence)
        self.known(target).clear()


class MissesTargets(Toy):
    """A target never seen is an error."""

    async def observe(self, target: Target) -> Deployment:
        if not self.known(target):
            raise UnknownTarget(f"{target.id!r} is not known: deploy it first")
        return await super().observe(target)


class ForgetsStable(Toy):
    """The stable mark ends with the program."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        shelf.stable.clear()


class RunsJobsAgain(Toy):
    """A job runs whenever it is asked for."""

    async def execute(
        self, target: Target, revision: str, release: Release, job: Job, fence: Fence
    ) -> JobState:
        self.shelf.jobs.clear()
        return await super().execute(target, revision, release, job, fence)


class SpeaksBackwards(Toy):
    """Last words come newest first."""

    async def tail(self, target: Target, revision: str, lines: int) -> dict[str, tuple[str, ...]]:
        said = await super().tail(target, revision, lines)
        return {name: words[::-1] for name, words in said.items()}


class ReusesIds(Toy):
    """Instances are numbered from the start whenever there is room."""

    async def ensure(
        self,
        target: Target,
        revision: str,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[str] = frozenset(),
    ) -> None:
        await super().ensure(target, revision, release, replicas, fence, drained=drained)
        one = self.known(target)[revision]
        named = tuple(
            replace(each, id=f"{revision}-{number}") if isinstance(each, Instance) else each
            for number, each in enumerate(one.instances)
        )
        self.known(target)[revision] = replace(one, instances=named)


class _Tried(BackendConformance):
    """What is tried of each."""

    capabilities = Toy.capabilities
    exiting = None
    patience = 0.2
    toy: type[Toy] = Toy

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on one event loop: there is nothing in it that differs."""
        return "asyncio"

    @pytest.fixture
    def opened(self) -> Opened[Backend]:
        """Open toys on one shelf."""
        shelf = Shelf()

        @asynccontextmanager
        async def opening() -> AsyncIterator[Backend]:
            yield self.toy(shelf)

        return opening


class TestToy(_Tried):
    """The toy as it should be."""


BROKEN = {
    StartsAgain: "test_ensuring_twice_is_ensuring_once",
    StopsSurplus: "test_a_smaller_number_stops_nothing",
    KeepsDrained: "test_what_drained_names_is_stopped",
    QuiescingStops: "test_quiescing_marks_and_stops_nothing",
    BelievesAnybody: "test_an_older_epoch_is_refused",
    RemovesStable: "test_the_stable_revision_is_not_removed",
    RemovesAll: "test_remove_stops_and_forgets_one_revision",
    MissesTargets: "test_a_target_never_seen_is_empty",
    ForgetsStable: "test_a_promotion_is_durable",
    RunsJobsAgain: "test_a_job_runs_once_per_key",
    SpeaksBackwards: "test_last_words_are_bounded_and_in_order",
    ReusesIds: "test_ids_are_never_used_twice",
}
"""Which test is there to find which mistake."""

for _kind in BROKEN:
    globals()[f"Test{_kind.__name__}"] = type(
        f"Test{_kind.__name__}", (_Tried,), {"toy": _kind, "__module__": __name__, "__doc__": _kind.__doc__}
    )
