"""A deploying program dies at boundaries of its way, on a real API server, under load."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from fairdeploy.testing.crash.suite import CrashPoints
from tests.kubernetes.house import house_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.testing.crash import House
    from tests.cluster import Reached

pytestmark = [pytest.mark.kubernetes, pytest.mark.load]


@pytest.mark.timeout(600)
class TestASample(CrashPoints):
    """Other points each time: the seed is told."""

    seconds = 15.0
    stories: ClassVar[Sequence[str]] = ("canary",)

    @pytest.fixture
    def house(self, api_server: Reached) -> House:
        """Give a namespace."""
        return house_of(api_server)


@pytest.mark.nightly
@pytest.mark.timeout(6 * 3_600)
class TestAll(CrashPoints):
    """All of them."""

    seconds = None

    @pytest.fixture
    def house(self, api_server: Reached) -> House:
        """Give a namespace."""
        return house_of(api_server)
