"""Prepare what an example needs, once: one virtual environment for each pinned set of packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT

import anyio

__all__ = ["LOCKS", "PreparationError", "Say", "cache_folder", "locked", "prepare_environment"]

LOCKS = Path(__file__).parent / "locks"
"""Every package of every environment, pinned: an example of last year must still run next year."""

Say = Callable[[str], None]
"""Is told, one line at a time, what takes so long."""

_LIMIT = 600.0
"""Seconds that one environment may take to arrive, on a slow line."""


class PreparationError(RuntimeError):
    """What an example needs could not be prepared; the message ends with the installer's last words."""


def cache_folder(workdir: Path | None = None) -> Path:
    """Return where downloads are kept between runs, made if need be.

    Args:
        workdir: A folder to use instead of the user's cache folder.

    Returns:
        An absolute path; the default follows `XDG_CACHE_HOME`.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (workdir or home / "fairdeploy-examples").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@asynccontextmanager
async def locked(folder: Path) -> AsyncGenerator[None]:
    """Hold `folder` alone: two examples started at once must not fill the same cache.

    Args:
        folder: An existing folder.

    Yields:
        Nothing; the lock ends with the block, or with the process that held it.
    """
    import fcntl  # noqa: PLC0415 - POSIX only, as is the backend of these examples

    with (folder / "lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await anyio.sleep(0.2)  # flock has nothing to await; a blocking call could not be cancelled
            else:
                break
        yield


async def prepare_environment(folder: Path, lock: str, say: Say, *, dependencies: bool = True) -> Path:
    """Install one set of pinned packages in a virtual environment of its own.

    Args:
        folder: The cache folder.
        lock: The name of a file in `LOCKS`, without `.txt`, such as ``"datasette-0.65.5"``.
        say: Is told when a download begins and ends; silent when everything is there already.
        dependencies: Whether pip may add packages that the lock does not name; ``False`` takes it literally.

    Returns:
        The environment's folder; its programs are in `bin`.

    Raises:
        PreparationError: If the packages could not be installed, with the installer's last lines.
    """
    requirements = LOCKS / f"{lock}.txt"
    wanted = hashlib.sha256(f"{sys.version_info[:2]} {requirements.read_text()}".encode()).hexdigest()
    environment = folder / "environments" / lock
    marker = environment / "complete"  # written last: an interrupted download is started anew
    if marker.is_file() and marker.read_text() == wanted and (environment / "bin" / "python").exists():
        return environment
    began = anyio.current_time()
    say(f"fetching {lock} from PyPI")
    shutil.rmtree(environment, ignore_errors=True)
    environment.parent.mkdir(parents=True, exist_ok=True)
    for command in _commands(environment, requirements, dependencies=dependencies):
        await _run(command, lock)
    marker.write_text(wanted)
    say(f"{lock} is ready after {anyio.current_time() - began:.1f} s")
    return environment


def _commands(environment: Path, requirements: Path, *, dependencies: bool) -> list[list[str]]:
    python = str(environment / "bin" / "python")
    exact = [] if dependencies else ["--no-deps"]
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` tells its children where it is
    if uv is None:
        return [
            [sys.executable, "-m", "venv", str(environment)],
            [python, "-m", "pip", "install", "--quiet", *exact, "-r", str(requirements)],
        ]
    return [
        [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(environment)],
        # Compiled now, so that the first start of a release is as quick as the next ones.
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
            "--compile-bytecode",
            *exact,
            "-r",
            str(requirements),
        ],
    ]


async def _run(command: Sequence[str], what: str) -> None:
    # The example itself may run inside a virtual environment: its variable must not lead the installer astray.
    env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    try:
        with anyio.fail_after(_LIMIT):
            done = await anyio.run_process(command, check=False, stdout=PIPE, stderr=STDOUT, env=env)
    except TimeoutError as exc:
        msg = f"{what!r} did not arrive within {_LIMIT:.0f} s: look at the connection to PyPI and start again"
        raise PreparationError(msg) from exc
    except OSError as exc:
        msg = f"{command[0]!r} could not be started for {what!r}: {exc.strerror}; install uv, or a Python with venv"
        raise PreparationError(msg) from exc
    if done.returncode != 0:
        tail = "\n".join(done.stdout.decode(errors="replace").splitlines()[-15:])
        msg = f"{what!r} could not be installed (exit status {done.returncode}); is PyPI reachable?\n{tail}"
        raise PreparationError(msg)
