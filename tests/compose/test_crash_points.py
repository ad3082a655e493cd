"""A deploying program dies at boundaries of its way, on a real Docker Engine under load."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from fairdeploy.testing.crash.suite import CrashPoints
from tests.compose.house import house_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.testing.crash import House
    from fairdeploy.testing.crash.trial import Fault

pytestmark = [pytest.mark.docker, pytest.mark.load]


@pytest.mark.timeout(500)
class TestASample(CrashPoints):
    """Other points each time: the seed is told."""

    seconds = 60.0
    stories: ClassVar[Sequence[str]] = ("blue-green", "job")
    faults: ClassVar[Sequence[Fault]] = (("kill",),)

    @pytest.fixture
    def house(self, application_image: str) -> House:
        """Give a project on this engine."""
        return house_of(application_image)


@pytest.mark.nightly
@pytest.mark.timeout(6 * 3_600)
class TestAll(CrashPoints):
    """All of them."""

    seconds = None

    @pytest.fixture
    def house(self, application_image: str) -> House:
        """Give a project on this engine."""
        return house_of(application_image)
