"""A deploying program dies at boundaries of every strategy, on the local backend under load."""

from __future__ import annotations

import pytest

from fairdeploy.testing.crash import House
from fairdeploy.testing.crash.local import local_house
from fairdeploy.testing.crash.suite import CrashPoints

pytestmark = [pytest.mark.load]


@pytest.mark.proof
@pytest.mark.timeout(400)
class TestASample(CrashPoints):
    """Other points each time: the seed is told."""

    seconds = 90.0

    @pytest.fixture
    def house(self) -> House:
        """Give a folder on this machine."""
        return local_house


@pytest.mark.nightly
@pytest.mark.timeout(6 * 3_600)
class TestAll(CrashPoints):
    """All of them."""

    seconds = None

    @pytest.fixture
    def house(self) -> House:
        """Give a folder on this machine."""
        return local_house
