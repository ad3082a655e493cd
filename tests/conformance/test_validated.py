"""What a backend adds to look at before anything moves keeps the contract; each mistake is found by the test for it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.host._process import kill_marked
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import HTTPProbe, Probes, Release, SecretRef
from fairdeploy.testing.conformance import ValidatedConformance
from tests.conformance import broken_validations
from tests.conformance.broken_validations import BROKEN
from tests.conformance.suites import failures_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fairdeploy.protocols import Backend
    from fairdeploy.testing.conformance import Opened

SERVE = [sys.executable, "-m", "fairdeploy.testing.apps.polite", "--port", "{port}"]
SECRET = "s3cret-of-the-lab"


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Run the suite on every broken toy, as their author would; say by class which tests failed."""
    return failures_of(broken_validations, tmp_path_factory.mktemp("report"))


def test_a_toy_that_looks_passes(failures: dict[str, set[str]]) -> None:
    """Every standard test."""
    assert failures["TestLooking"] == set()


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_mistake_is_found(failures: dict[str, set[str]], kind: type[broken_validations.Looking]) -> None:
    """By the test that is there for it."""
    assert BROKEN[kind] in failures[f"Test{kind.__name__}"]


@pytest.mark.local
class TestLocal(ValidatedConformance):
    """The local backend: files, room, and a trial instance in a real process."""

    rehearses = True
    abandoned_at = 0.3

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on one event loop: the trial's load generator is of asyncio."""
        return "asyncio"

    @pytest.fixture
    def opened(self) -> Iterator[Opened[Backend]]:
        """Open backends on one folder, and end what they started with the test."""
        folder = Path(tempfile.mkdtemp(prefix="fd-"))
        keeper = SupervisorKeeper(folder / "keeper")

        @asynccontextmanager
        async def opening() -> AsyncIterator[Backend]:
            async with LocalBackend.open(
                folder / "backend", keeper=keeper, journal=MemoryJournal()
            ) as backend:
                yield backend

        yield opening
        kill_marked(keeper._home.mark)
        if keeper._home.run != keeper._home.folder:
            shutil.rmtree(keeper._home.run)
        shutil.rmtree(folder)

    @pytest.fixture
    def key(self, tmp_path: Path) -> Path:
        """Give a file that others can read."""
        key = tmp_path / "key"
        key.write_text(SECRET)
        key.chmod(0o644)
        return key

    @pytest.fixture
    def good(self) -> Release:
        """Give a release that starts and stops as it should."""
        return Release("1", command=SERVE, probes=Probes(readiness=HTTPProbe("/health")), stop_grace_ms=3_000)

    @pytest.fixture
    def bad(self, key: Path) -> dict[str, Release]:
        """Give one whose key others can read, and one whose folder is not there."""
        probes = Probes(readiness=HTTPProbe("/health"))
        return {
            "KEY": Release("2", command=SERVE, probes=probes, env={"KEY": SecretRef.file(str(key))}),
            "workdir": Release("3", command=SERVE, probes=probes, workdir="/nonexistent"),
        }

    @pytest.fixture
    def secret(self) -> str:
        """Give what is in the file."""
        return SECRET
