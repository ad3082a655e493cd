"""What every test stands on: the event loop, and how long chance may search."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

pytest_plugins = ["tests.cluster", "tests.docker", "tests.postgres"]

# No deadline: a slow machine is no wrong answer. CI searches wider than a developer's run.
settings.register_profile("here", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=300, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture
def anyio_backend() -> str:
    """Run `anyio` tests on asyncio; what must hold on trio too, or in virtual time, asks for its own."""
    return "asyncio"
