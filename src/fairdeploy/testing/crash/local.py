"""The local backend as a crash house: real processes behind a real Envoy, under real load."""

from __future__ import annotations

import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.backends.local import LocalBackend, open_keeper
from fairdeploy.host._home import Home
from fairdeploy.host._process import marked
from fairdeploy.model import HTTPProbe, Job, Probes, Release, Target
from fairdeploy.testing._ports import free_port
from fairdeploy.testing.crash.house import Housing
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection, post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.model import Deployment
    from fairdeploy.protocols import Backend
    from fairdeploy.testing.load import LoadProcess

__all__ = ["LocalHouse", "local_house"]

_RATE = 40.0
_PROGRAM = str(Path(__file__).with_name("_application.py"))
_MARK = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write('ran\\n')"


@final
class LocalHouse:
    """A folder in which programs deploy an application that vanishes when it is told to stop.

    Args:
        folder: Of the backend.
        endpoint: Where the router listens, such as ``127.0.0.1:8080``.
        replicas: Of each revision.
        rate: Requests per second of the visitors.
    """

    def __init__(self, folder: str, endpoint: str, replicas: str = "2", rate: str = str(_RATE)) -> None:
        self._folder = Path(folder)
        self._rate = float(rate)
        self._target = Target("shop", replicas=int(replicas), endpoint=endpoint, drain_ms=10_000)

    @property
    def target(self) -> Target:
        """See `CrashHouse.target`."""
        return self._target

    def open(self) -> AbstractAsyncContextManager[Backend]:
        """See `CrashHouse.open`."""
        return LocalBackend.open(self._folder, guard=False)

    def release(self, version: str) -> Release:
        """See `CrashHouse.release`."""
        command = [sys.executable, "-IS", _PROGRAM, "{uds}", "{revision}"]
        return Release(version, command=command, probes=Probes(readiness=HTTPProbe("/", interval_ms=100)))

    def job(self, version: str) -> Job:
        """See `CrashHouse.job`."""
        return Job("trace", command=[sys.executable, "-IS", "-c", _MARK, str(self._trace(version))])

    def runs(self, version: str) -> int:
        """See `CrashHouse.runs`."""
        trace = self._trace(version)
        return len(trace.read_text().splitlines()) if trace.exists() else 0

    def _trace(self, version: str) -> Path:
        return self._folder.parent / f"{self._folder.name}-{version}.ran"

    def load(self) -> AbstractAsyncContextManager[LoadProcess]:
        """See `CrashHouse.load`: GETs on kept and on new connections, and POSTs."""
        mix = (keep_alive(weight=70), new_connection(weight=15), post(weight=15))
        return load_process(
            f"http://{self._target.endpoint}", mix=mix, rate=self._rate, settings=LoadSettings()
        )

    def strays(self, deployment: Deployment) -> Sequence[str]:
        """See `CrashHouse.strays`: application processes of this folder that no instance accounts for."""
        left = {revision.id: len(revision.instances) for revision in deployment.revisions}
        found = []
        for pid in marked(Home.of(self._folder / "keeper").mark):
            words = _command(pid)
            if _PROGRAM not in words:
                continue
            revision = words[words.index(_PROGRAM) + 2]
            left[revision] = left.get(revision, 0) - 1
            if left[revision] < 0:
                found.append(f"process {pid} of {revision}")
        return found


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []  # gone


@asynccontextmanager
async def local_house(*, replicas: int = 2, rate: float = _RATE) -> AsyncIterator[Housing]:
    """Give a new, empty folder, and stop all that runs in it in the end.

    Args:
        replicas: Of each revision.
        rate: Requests per second of the visitors.

    Yields:
        The housing of a `LocalHouse` there.
    """
    with tempfile.TemporaryDirectory(prefix="fairdeploy-crash-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / "deployments"
        try:
            yield Housing.of(LocalHouse, str(folder), f"127.0.0.1:{free_port()}", str(replicas), str(rate))
        finally:
            with anyio.CancelScope(shield=True):
                await open_keeper(folder / "keeper").shutdown()
