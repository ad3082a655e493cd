"""A deploying program dies at boundaries of every step on a real PostgreSQL, on the local backend under load."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from fairdeploy.testing.crash.suite import CrashPoints
from tests.database.crash_house import STORIES, house_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.testing.crash import House
    from tests.postgres import PostgresServer

pytestmark = [pytest.mark.load]


@pytest.mark.proof
@pytest.mark.timeout(400)
class TestASample(CrashPoints):
    """Other points each time: the seed is told."""

    seconds = 75.0  # with what it takes to count the boundaries
    stories: ClassVar[Sequence[str]] = (
        "expand",
        "migrate, back",
        "restore, agreed",
        "restore, not agreed",
        "contract",
    )

    @pytest.fixture
    def house(self, postgres_server: PostgresServer) -> House:
        """Give a folder on this machine, and a database."""
        return house_of(postgres_server)


@pytest.mark.nightly
@pytest.mark.timeout(6 * 3_600)
class TestAll(CrashPoints):
    """All of them."""

    seconds = None
    stories: ClassVar[Sequence[str]] = tuple(STORIES)

    @pytest.fixture
    def house(self, postgres_server: PostgresServer) -> House:
        """Give a folder on this machine, and a database."""
        return house_of(postgres_server)
