"""``docker compose``: what makes containers as the file says."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from fairdeploy.errors import BackendError, DeadlineExceeded
from fairdeploy.system import run_to_end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["act", "ask", "program"]

_SECONDS: Final = 55.0
"""Longest that one order may take: a little less than an effect may."""
_LINES: Final = 20


def program() -> str:
    """Return the path of ``docker``.

    Raises:
        BackendError: If it is not there.
    """
    found = shutil.which("docker")
    if found is None:
        raise BackendError(
            "program 'docker' is not on the PATH: install Docker's command line and its Compose plugin"
        )
    return found


async def ask(words: Sequence[str], *, folder: str | None = None) -> tuple[int, str, str]:
    """Return exit status, output and complaints of ``docker compose`` with these words. The output may hold secrets.

    Raises:
        BackendError: If it does not end in time, or there is no ``docker``.
    """
    try:
        ran = await run_to_end([program(), "compose", *words], within=_SECONDS, cwd=folder)
    except DeadlineExceeded as error:
        raise BackendError(f"'docker compose' has not answered for {_SECONDS:g} s: ask again") from error
    return ran.status, ran.printed, ran.said


async def act(words: Sequence[str], *, env: Mapping[str, str], lock: int) -> tuple[str, ...]:
    """Carry out an order; return the last lines of its complaints if it failed, else nothing.

    It holds the lock as long as it runs, also if this program dies meanwhile: whoever takes over waits for its
    end. It says what it says to a file, for a broken pipe would end it half-way.

    Raises:
        BackendError: If it does not end in time, or there is no ``docker``.
    """
    argv = [program(), "compose", "--progress", "plain", *words]
    with tempfile.TemporaryFile() as said:
        status = None
        with anyio.move_on_after(_SECONDS):
            process = await anyio.open_process(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={**os.environ, **env},
                start_new_session=True,
                pass_fds=(lock,),
            )
            async with process:
                status = await process.wait()
        if status is None:
            raise BackendError(f"'docker compose' did not end within {_SECONDS:g} s: it is asked again")
        if status == 0:
            return ()
        said.seek(0)
        text = (await to_thread.run_sync(said.read)).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(lines[-_LINES:]) or (f"exit status {status}",)
