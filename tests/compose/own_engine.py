"""Scenarios on an engine of our own, in a network of its own: `... restarted|full|remote IMAGE-ARCHIVE FOLDER`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import trustme

from fairdeploy import BlueGreen
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.compose._engine import Engine
from fairdeploy.backends.compose._hearing import Hearing
from fairdeploy.errors import BackendError
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection
from tests.compose.stage import Project, application, stage
from tests.docker import docker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_SECONDS = 60.0
QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())
MIX = (keep_alive(weight=80), new_connection(weight=20))


@contextmanager
def engine(folder: Path, *more: str) -> Iterator[None]:
    """Run an engine whose containers outlive it."""
    settings = {
        "--host": os.environ["DOCKER_HOST"],
        "--pidfile": str(folder / "pid"),
        "--data-root": str(folder / "data"),
        "--exec-root": str(folder / "exec"),
        "--storage-driver": "overlay2",
    }
    argv = ["dockerd", "--live-restore", *(word for pair in settings.items() for word in pair), *more]
    with (folder / "dockerd.log").open("ab") as log:
        daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + _SECONDS
        while subprocess.run(["docker", "info"], check=False, capture_output=True).returncode:
            assert daemon.poll() is None, (folder / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < until
            time.sleep(0.1)
        yield
    finally:
        daemon.terminate()
        daemon.wait(_SECONDS)


def loaded(made: Project, archive: str) -> None:
    """Give the engine the image, and write a file that names it."""
    image = docker("load", "--quiet", "--input", archive, timeout=_SECONDS).split()[-1]
    made.write(f"services: {{app: {{image: '{image}', expose: ['8000'], stop_grace_period: 20s}}}}")


@asynccontextmanager
async def listening(made: Project) -> AsyncIterator[Hearing]:
    """Listen to whichever engine there is."""
    ear = Engine()
    hearing = Hearing(ear, made.folder.name)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hearing.follow)
            yield hearing
            tasks.cancel_scope.cancel()
    finally:
        await ear.aclose()


async def restarted(made: Project, archive: str, folder: Path) -> dict[str, object]:
    """Deploy, restart the engine, and deploy again."""
    with ExitStack() as engines:
        engines.enter_context(engine(folder))
        loaded(made, archive)
        try:
            async with stage(made, guard=True) as on:
                await on.deployer.deploy(on.target, application("v1"), QUICK)
                async with (
                    load_process(on.url, mix=MIX, rate=50, settings=LoadSettings()) as load,
                    listening(made) as hearing,
                ):
                    await anyio.to_thread.run_sync(engines.close)
                    while await hearing.change(3):  # what the old engine told
                        pass
                    await anyio.to_thread.run_sync(engines.enter_context, engine(folder))
                    result = await on.deployer.deploy(on.target, application("v2"), QUICK)
                    heard = await hearing.change(30)
                report = load.report()
                watch = (made.home / "watch.log").read_text()
        finally:
            docker("rm", "--force", *made.containers())
    told: dict[str, object] = {"lost": report.lost, "requests": report.requests, "promoted": result.promoted}
    return told | {"waited": "Docker Engine" in watch, "heard": heard, "by": sorted(report.by_revision)}


async def full(made: Project, archive: str, folder: Path) -> dict[str, object]:
    """Deploy, fill the engine's disk, deploy again, make room, and deploy once more."""
    data = folder / "data"
    data.mkdir()
    await anyio.run_process(["mount", "-t", "tmpfs", "-o", "size=900m", "tmpfs", str(data)])
    with engine(folder):
        loaded(made, archive)
        try:
            async with stage(made, replicas=1) as on:
                await on.deployer.deploy(on.target, application("v1"), QUICK)
                before = set(made.containers())
                async with load_process(on.url, mix=MIX, rate=50, settings=LoadSettings()) as load:
                    filled = await anyio.to_thread.run_sync(fill, data / "filler")
                    plan = await on.deployer.plan(on.target, application("v2"), QUICK)
                    async with on.deployer.run(plan) as rollout:
                        short = await rollout.result()
                    same = set(made.containers()) == before
                    filled.unlink()
                    result = await on.deployer.deploy(on.target, application("v3"), QUICK)
                report = load.report()
        finally:
            docker("rm", "--force", *made.containers())
    told: dict[str, object] = {"lost": report.lost, "requests": report.requests, "promoted": result.promoted}
    return told | {"short": str(short.outcome), "why": str(short), "same": same}


async def remote(made: Project, archive: str, folder: Path) -> dict[str, object]:
    """Speak to an engine over TCP, each side with a certificate: deploy twice; then come with one that it does not know."""
    authority, stranger = trustme.CA(), trustme.CA()
    proof = {}
    for side, ca in (("server", authority), ("client", authority), ("stranger", stranger)):
        paths = proof[side] = {name: folder / side / f"{name}.pem" for name in ("ca", "cert", "key")}
        (folder / side).mkdir()
        issued = ca.issue_cert("127.0.0.1", common_name=side)
        authority.cert_pem.write_to_path(paths["ca"])
        issued.cert_chain_pems[0].write_to_path(paths["cert"])
        issued.private_key_pem.write_to_path(paths["key"])
    os.environ.update(DOCKER_HOST="tcp://127.0.0.1:2376", DOCKER_TLS_VERIFY="1")
    os.environ["DOCKER_CERT_PATH"] = str(folder / "client")
    certificates = [
        f"--tls{'cacert' if name == 'ca' else name}={path}" for name, path in proof["server"].items()
    ]
    with engine(folder, "--tlsverify", *certificates):
        loaded(made, archive)
        try:
            async with stage(made) as on:
                await on.deployer.deploy(on.target, application("v1"), QUICK)
                async with load_process(on.url, mix=MIX, rate=50, settings=LoadSettings()) as load:
                    result = await on.deployer.deploy(on.target, application("v2"), QUICK)
                report = load.report()
            os.environ["DOCKER_CERT_PATH"] = str(folder / "stranger")
            refused = await why_not(made)
            os.environ["DOCKER_CERT_PATH"] = str(folder)
            missing = await why_not(made)
        finally:
            os.environ["DOCKER_CERT_PATH"] = str(folder / "client")
            docker("rm", "--force", *made.containers())
    told: dict[str, object] = {"lost": report.lost, "requests": report.requests, "promoted": result.promoted}
    return told | {"refused": refused, "missing": missing}


async def why_not(made: Project) -> str:
    """Return why a project cannot be opened."""
    try:
        async with ComposeBackend.open(made.file, "app", home=made.home, guard=False):
            return ""
    except BackendError as error:
        return str(error)


def fill(path: Path) -> Path:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


async def main(what: str, archive: str, folder: Path) -> None:
    """Play a scenario, and print what is told of it."""
    await anyio.run_process(["ip", "link", "set", "lo", "up"])
    made = Project(folder / "own")
    made.folder.mkdir()
    sys.stdout.write(
        json.dumps(
            await {"restarted": restarted, "full": full, "remote": remote}[what](made, archive, folder)
        )
    )


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], Path(sys.argv[3]))
