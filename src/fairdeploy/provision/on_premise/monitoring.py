"""Prometheus and Grafana, as a compose project beside the application's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from fairdeploy.compose import compose_command, read_compose
from fairdeploy.provision.on_premise._run import run
from fairdeploy.provision.on_premise.containers import Project
from fairdeploy.provision.on_premise.dashboard import monitoring_files
from fairdeploy.provision.on_premise.memory import put
from fairdeploy.provision.on_premise.step import Seen, Step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairdeploy.provision.on_premise.wanted import Monitoring

__all__ = ["monitoring_steps", "stop_monitoring"]

_UP_S = 600.0


def monitoring_steps(wanted: Monitoring, project: str, folder: Path) -> list[Step]:
    """Return the steps: the files, then the containers that read them."""
    files = monitoring_files(wanted, project)

    async def look_files() -> Seen:
        stale = await anyio.to_thread.run_sync(_stale, folder, files)
        return Seen(done=not stale, says=f"{len(files)} files, {len(stale)} to be written in {str(folder)!r}")

    async def write() -> None:
        stale = await anyio.to_thread.run_sync(_stale, folder, files)
        for path in stale:  # containers run as users of their own: what they read holds no secret
            await anyio.to_thread.run_sync(put, folder / path, files[path].encode(), 0o644)
        await anyio.to_thread.run_sync(_open_folders, folder)
        if stale and (folder / "compose.yaml").exists():
            started = [*compose_command(), "--file", str(folder / "compose.yaml"), "restart"]
            if (await run([*started[:-1], "ps", "--quiet"])).printed.strip():
                (await run(started, deadline=_UP_S)).must("restarting what reads the files")

    async def look_up() -> Seen:
        if not (folder / "compose.yaml").exists():
            return Seen(done=False, says="Prometheus and Grafana do not run")
        missing = await Project(await read_compose(folder), folder).missing()
        listed = ", ".join(f"{name} is {how}" for name, how in missing.items())
        port = f"http://{wanted.address}:{wanted.prometheus_port}"
        return Seen(
            done=not missing,
            says=listed or f"Prometheus is at {port}",
            remedy="see its logs" if missing else "",
        )

    async def up() -> None:
        argv = [*compose_command(), "--file", str(folder / "compose.yaml"), "up", "--detach"]
        (await run(argv, deadline=_UP_S)).must("docker compose up of the monitoring")

    return [
        Step(name="monitoring:files", look=look_files, act=write),
        Step(name="monitoring:containers", look=look_up, act=up, required=False),
    ]


async def stop_monitoring(folder: Path, *, data: bool) -> bool:
    """Take the monitoring's containers away; tell whether there were any."""
    if not (folder / "compose.yaml").exists():
        return False
    argv = [*compose_command(), "--file", str(folder / "compose.yaml")]
    there = bool((await run([*argv, "ps", "--all", "--quiet"])).printed.strip())
    (await run([*argv, "down", *(["--volumes"] if data else [])], deadline=_UP_S)).must("docker compose down")
    return there


def _stale(folder: Path, files: Mapping[str, str]) -> list[str]:
    return [path for path, content in files.items() if not _is(folder / path, content)]


def _is(path: Path, content: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == content
    except OSError:
        return False


def _open_folders(folder: Path) -> None:
    """Let containers enter: the folder above stays private, and bind mounts do not pass through it."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
