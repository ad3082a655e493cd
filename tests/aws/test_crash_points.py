"""A deploying program dies at boundaries of its way, on emulators of ECS and its load balancers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from fairdeploy.backends.ecs import ECSBackend
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Target
from fairdeploy.protocols import Fence
from fairdeploy.routing.alb import ALBRouter
from fairdeploy.testing.crash import NATIVE
from fairdeploy.testing.crash.suite import CrashPoints
from tests.aws.house import house_of, native_house_of
from tests.aws.standin import joined
from tests.aws.worlds import balanced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fairdeploy.testing.crash import House

pytestmark = [pytest.mark.aws, pytest.mark.load]


@pytest.mark.timeout(600)
class TestASample(CrashPoints):
    """Other points each time: the seed is told."""

    seconds = 15.0
    stories: ClassVar[Sequence[str]] = ("canary",)

    @pytest.fixture
    def house(self, ecs_url: str, moto_url: str) -> House:
        """Give a service."""
        return house_of(ecs_url, moto_url)


@pytest.mark.timeout(600)
class TestASampleOfWhatECSRollsOut(CrashPoints):
    """Likewise, where the program only asks and watches."""

    seconds = 10.0
    stories: ClassVar[Sequence[str]] = ("delegated",)

    @pytest.fixture
    def house(self, ecs_url: str, moto_url: str) -> House:
        """Give a service."""
        return native_house_of(ecs_url, moto_url)


@pytest.mark.nightly
@pytest.mark.timeout(6 * 3_600)
class TestAll(CrashPoints):
    """All of them."""

    seconds = None

    @pytest.fixture
    def house(self, ecs_url: str, moto_url: str) -> House:
        """Give a service."""
        return house_of(ecs_url, moto_url)


@pytest.mark.nightly
@pytest.mark.timeout(6 * 3_600)
class TestAllOfWhatECSRollsOut(CrashPoints):
    """All of them."""

    seconds = None
    stories: ClassVar[Sequence[str]] = tuple(NATIVE)

    @pytest.fixture
    def house(self, ecs_url: str, moto_url: str) -> House:
        """Give a service."""
        return native_house_of(ecs_url, moto_url)


@pytest.mark.anyio
async def test_a_target_group_is_given_back_where_its_service_was_never_made(
    ecs_url: str, moto_url: str, tmp_path: Path
) -> None:
    """Whoever died in between leaves a mark on the group: the way back takes it off, as there are only two."""
    async with joined(ecs_url, moto_url) as url:
        place = (await balanced(url)).place
        async with (
            SQLiteJournal.open(tmp_path / "journal.sqlite") as journal,
            ECSBackend.open(place, journal=journal, poll=0.0) as backend,
        ):
            router = backend.router
            assert isinstance(router, ALBRouter)
            await router.take("v1")
            await backend.remove(Target("shop"), "v1", Fence(epoch=1, key="one"))
            assert await router.groups() == {}
