"""Changing a Compose service as others do it, and what is seen of a change meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import final

import anyio
import anyio.to_thread

from _stage import free_port
from fairdeploy.testing.load import LoadReport, LoadSettings, keep_alive, load_process, new_connection

__all__ = ["APP", "Change", "compose", "docker", "made_anew", "remove", "rolled_out", "under_load"]

APP = ["python3", "-m", "fairdeploy.testing.apps.polite", "--host", "0.0.0.0", "--port"]  # noqa: S104 -- in a container
_MIX = (keep_alive(weight=80), new_connection(weight=20))
_LOOK_S = 0.005
_QUIET_S = 2.5
_HEALTHY_S = 60.0
_DRAIN_S = 10


@final
@dataclass(frozen=True, slots=True)
class Change:
    """One change under load.

    Args:
        report: What became of the requests.
        switched: Seconds from the command until every new connection was answered by the new version.
        ended: Seconds from the command to its end.
    """

    report: LoadReport
    switched: float
    ended: float

    def __str__(self) -> str:
        """Return it as it is printed."""
        lost = f"{self.report.lost} of {self.report.requests} lost"
        return f"{lost}, all on it after {self.switched:.1f} s, ended after {self.ended:.1f} s"


def docker(*words: str) -> str:
    """Run `docker` to its end."""
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def compose(folder: Path, *words: str) -> list[str]:
    """Run `docker compose` in a folder, and return the words that it prints."""
    return docker("compose", "--project-directory", str(folder), *words).split()


async def under_load(port: int, rate: float, version: str, change: Callable[[], Awaitable[object]]) -> Change:
    """Change to a version while requests are sent; a look over a new connection every 5 ms tells who answers."""
    seen: list[tuple[float, str]] = []
    ended = 0.0
    async with load_process(f"http://127.0.0.1:{port}", mix=_MIX, rate=rate, settings=LoadSettings()) as load:
        await anyio.sleep(1)
        began = time.monotonic()
        async with anyio.create_task_group() as looking:
            looking.start_soon(_look, port, seen)
            await change()
            ended = time.monotonic()
            with anyio.fail_after(_HEALTHY_S):
                # A proxy may hear of the end only later; some time without anybody else counts as all.
                while time.monotonic() < max(ended, others(seen, version)) + _QUIET_S:  # noqa: ASYNC110 -- another process
                    await anyio.sleep(0.1)
            looking.cancel_scope.cancel()
    last = max(began, others(seen, version))
    return Change(load.report(), next(at for at, _ in seen if at > last) - began, ended - began)


def others(seen: Sequence[tuple[float, str]], version: str) -> float:
    """Return when somebody else than a version answered last, or nobody did."""
    return max((at for at, who in seen if who != version), default=0.0)


async def _look(port: int, seen: list[tuple[float, str]]) -> None:
    while True:
        at = time.monotonic()
        seen.append((at, await who_answers(port)))
        await anyio.sleep(_LOOK_S)


async def who_answers(port: int) -> str:
    """Return the version that answers, or nothing if none does within a second."""
    with anyio.move_on_after(1), suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            lines = (await stream.receive()).decode(errors="replace").lower().split("\r\n")
            return next((line.split()[-1] for line in lines if line.startswith("x-revision:")), "")
    return ""


async def answered(port: int) -> None:
    """Wait until somebody answers."""
    with anyio.fail_after(_HEALTHY_S):
        while not await who_answers(port):  # noqa: ASYNC110 -- who answers is another process
            await anyio.sleep(0.1)


async def made_anew(folder: Path, image: str, rate: float) -> tuple[Change, Change]:
    """Change a service and go back as Compose does it: a published port, one container after the other."""
    port = free_port()

    async def up(version: str) -> None:
        command = [*APP, "8000", "--revision", version]
        service = {"image": image, "command": command, "ports": [f"127.0.0.1:{port}:8000"]}
        (folder / "compose.yaml").write_text(json.dumps({"services": {"app": service}}))
        await anyio.to_thread.run_sync(compose, folder, "up", "--detach")

    await up("v1")
    await answered(port)
    there = await under_load(port, rate, "v2", lambda: up("v2"))
    return there, await under_load(port, rate, "v1", lambda: up("v1"))


async def rolled_out(folder: Path, image: str, rate: float, *, drains: bool = False) -> tuple[Change, Change]:
    """Change a service and go back as docker-rollout 0.13 publishes it, behind Traefik as its documentation has it.

    Twice as many, wait for health, stop and remove the old. With ``drains``, before that its hook for draining: the old
    ones tell that they are unwell, and 10 s are waited.
    """
    check = "wget -qO- http://127.0.0.1:8000/health" + (" && test ! -e /tmp/drain" if drains else "")

    async def rollout(version: str) -> None:
        _write(folder, image, version, check)
        await anyio.to_thread.run_sync(_rollout, folder, drains)

    _write(folder, image, "v1", check)
    await anyio.to_thread.run_sync(compose, folder, "up", "--detach", "--wait")
    async with _traefik(folder) as port:
        await answered(port)
        there = await under_load(port, rate, "v2", lambda: rollout("v2"))
        return there, await under_load(port, rate, "v1", lambda: rollout("v1"))


def _write(folder: Path, image: str, version: str, check: str) -> None:
    app = {
        "image": image,
        "command": [*APP, "8000", "--revision", version],
        "labels": {
            "traefik.enable": "true",
            "traefik.http.routers.app.rule": "PathPrefix(`/`)",
            "traefik.http.services.app.loadbalancer.server.port": "8000",
        },
        "healthcheck": {"test": ["CMD-SHELL", check], "interval": "1s", "retries": 1},
    }
    (folder / "compose.yaml").write_text(json.dumps({"services": {"app": app}}))


def _rollout(folder: Path, drains: bool) -> None:  # noqa: FBT001 -- given to a thread
    old = compose(folder, "ps", "--quiet", "app")
    compose(folder, "up", "--detach", "--scale", f"app={2 * len(old)}", "--no-recreate", "app")
    new = [each for each in compose(folder, "ps", "--quiet", "app") if each not in old]
    until = time.monotonic() + _HEALTHY_S
    while any(_health(each) != "healthy" for each in new):
        if time.monotonic() > until:
            raise TimeoutError(f"{new!r} have not become healthy in {_HEALTHY_S:g} s")
        time.sleep(1)
    for each in old if drains else ():
        docker("exec", each, "sh", "-c", f"touch /tmp/drain && sleep {_DRAIN_S}")
    docker("stop", *old)
    docker("rm", *old)


def _health(container: str) -> str:
    return docker("inspect", "--format", "{{.State.Health.Status}}", container).strip()


@asynccontextmanager
async def _traefik(folder: Path) -> AsyncIterator[int]:
    """Run Traefik, which hears of containers from Docker."""
    port = free_port()
    only = f"Label(`com.docker.compose.project`,`{folder.name}`)"
    settings = {
        "entryPoints": {"web": {"address": f"127.0.0.1:{port}"}},
        "providers": {"docker": {"exposedByDefault": False, "constraints": only}},
    }
    (folder / "traefik.json").write_text(json.dumps(settings))
    program = str(Path(sys.executable).with_name("traefik"))
    argv = [program, f"--configFile={folder / 'traefik.json'}"]
    async with await anyio.open_process(argv, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


def remove(project: str) -> None:
    """Remove what a project has left."""
    label = f"label=com.docker.compose.project={project}"
    for words in (("ps", "-aq"), ("network", "ls", "-q")):
        if left := docker(*words, "--filter", label).split():
            docker(*(("rm", "-fv") if words[0] == "ps" else ("network", "rm")), *left)
