"""Envoy in containers, made from an image: for machines on which its own program does not run."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, final

from fairdeploy.backends.compose import _cli
from fairdeploy.backends.compose._container import OURS
from fairdeploy.errors import BackendError, MissingDependency, StartError
from fairdeploy.protocols.keeper import ProgramState
from fairdeploy.system import run_to_end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairdeploy.protocols.keeper import Program

__all__ = ["ENVOY", "ContainerKeeper"]

ENVOY: Final = Path("/usr/local/bin/envoy")
"""Where it is in the image, as in that of the Envoy project."""
_SECONDS: Final = 55.0
_PHASES: Final[Mapping[str, Literal["running", "backoff", "stopping"]]] = {
    "created": "running",
    "running": "running",
    "paused": "running",
    "restarting": "backoff",
    "removing": "stopping",
}


@final
class ContainerKeeper:
    """Keeps programs of one folder in containers of one image, restarted by the engine, also after the machine was.

    They have this machine's network and shared memory, this user's id, and nothing of the disk but the folder.

    Args:
        folder: What they see of this machine, at the same path.
        image: What they are made from.
    """

    def __init__(self, folder: Path, image: str) -> None:
        self._folder = folder
        self._image = image

    async def find(self) -> Path:
        """Return where Envoy is in the image.

        Raises:
            MissingDependency: If the image is not there, or Envoy does not run in it.
        """
        words = (
            "run",
            "--rm",
            "--pull",
            "missing",
            "--network",
            "none",
            "--entrypoint",
            str(ENVOY),
            self._image,
        )
        status, printed, said = await _docker(*words, "--version")
        if status or "version" not in printed:
            raise MissingDependency(
                f"Envoy does not run as {str(ENVOY)!r} in image {self._image!r} ({said.strip()[-300:]!r}): pull or build one "
                "in which it does, such as envoyproxy/envoy, or leave out envoy_image"
            )
        return ENVOY

    async def start(self, program: Program) -> None:
        """See `Keeper.start`."""
        name, (command, *arguments) = self._name(program.name), program.argv
        if program.name in await self.states():
            await _must(("start", name), name)
            return
        folder = str(self._folder)
        environment = (word for key, value in program.env.items() for word in ("--env", f"{key}={value}"))
        words = (
            *("run", "--detach", "--pull", "never", "--name", name, "--label", f"{OURS}kept={folder}"),
            *("--label", f"{OURS}program={program.name}", "--restart", _restarts(program)),
            *("--network", "host", "--ipc", "host", "--user", f"{os.geteuid()}:{os.getegid()}"),
            *("--mount", f"type=bind,source={folder},target={folder}", "--workdir", program.cwd),
            *("--stop-signal", program.stop_signal, "--stop-timeout", str(-(-program.stop_grace_ms // 1000))),
            *(
                "--log-driver",
                "local",
                "--log-opt",
                f"max-size={program.log_bytes}",
                *environment,
                "--entrypoint",
                command,
            ),
        )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        await _must((*words, self._image, *arguments), name)

    async def stop(self, name: str) -> None:
        """See `Keeper.stop`."""
        if name in await self.states():
            await _must(("stop", self._name(name)), name)
            await _must(("rm", "--force", self._name(name)), name)

    async def states(self) -> Mapping[str, ProgramState]:
        """See `Keeper.states`."""
        words = ("ps", "--all", "--quiet", "--filter", f"label={OURS}kept={self._folder}")
        found = (await _must(words, "the list of routers")).split()
        if not found:
            return {}
        shown = json.loads(await _must(("inspect", "--type", "container", *found), "the list of routers"))
        return {state.name: state for state in map(_state, shown)}

    async def shutdown(self) -> None:
        """See `Keeper.shutdown`."""
        for name in await self.states():
            await self.stop(name)

    def _name(self, name: str) -> str:
        return f"fairdeploy-{hashlib.sha256(str(self._folder).encode()).hexdigest()[:10]}-{name}"


def _restarts(program: Program) -> str:
    return "always" if program.restart is True else program.restart or "no"


def _state(shown: Mapping[str, Mapping[str, Mapping[str, str]]]) -> ProgramState:
    """Return how a container's program is, from what the engine shows."""
    state = shown["State"]
    return ProgramState(
        name=shown["Config"]["Labels"][f"{OURS}program"],
        phase=_PHASES.get(str(state["Status"]), "exited"),
        pid=int(str(state["Pid"])) or None,
        exit_code=int(str(state["ExitCode"])),
        restarts=int(str(shown["RestartCount"])),
    )


async def _docker(*words: str) -> tuple[int, str, str]:
    ran = await run_to_end([_cli.program(), *words], within=_SECONDS)
    return ran.status, ran.printed, ran.said


async def _must(words: Sequence[str], what: str) -> str:
    """Return what `docker` printed.

    Raises:
        StartError: If it could not make a container.
        BackendError: If it failed otherwise.
    """
    status, printed, said = await _docker(*words)
    if status:
        of = StartError if words[0] in {"run", "start"} else BackendError
        raise of(f"'docker {words[0]}' failed over {what!r}: {said.strip()[-300:]}")
    return printed
