"""Jupyter Server: every visitor holds a websocket to a kernel that lives beside one process, with variables in it.

What was seen of Jupyter Server 2.20.0 and 2.21.1 (Tornado 6.6, one process, two shared cores), because it decides how
the example is built:

- Ready 2.2 to 2.4 s after its start, 75 MB, and 53 MB for each kernel; `/api` answers without a token and says the
  version. 150 to 200 reads/s, 130 to 170 writes/s.
- It does NOT drain: SIGTERM interrupts every kernel in the middle of a cell, closes every websocket, and the process
  is gone 0.8 s later with exit status 0. Nobody's work survives a release unless the router waits for the open
  websockets, which it counts, before anything is stopped.
- A kernel is known to one process only, so a visitor who returns must reach the revision that started it: `sticky`.
- The token comes by environment (`JUPYTER_TOKEN`), and so stays out of the argument list.
"""

from __future__ import annotations

import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
from websockets.asyncio.client import ClientConnection, connect

from apps.environments import Say, locked, prepare_environment
from apps.release import AppRelease

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Kernel", "KernelError", "Notebooks", "open_kernel", "prepare_notebooks"]

_CELL_LIMIT = 30.0
"""Seconds that a cell may take."""


class KernelError(RuntimeError):
    """A visitor's kernel was lost, or answered with an error."""


@dataclass(frozen=True, slots=True)
class Notebooks:
    """Everything that the example needs, on disk.

    Args:
        folder: Where all releases keep the notebooks of their visitors.
        current: Jupyter Server 2.20.0.
        newer: Jupyter Server 2.21.1.
    """

    folder: Path
    _: KW_ONLY
    current: AppRelease
    newer: AppRelease


@dataclass(frozen=True, slots=True)
class Kernel:
    """One visitor: a live websocket and the variables behind it.

    Args:
        socket: The open connection.
        version: The release of the server that started the kernel.
    """

    socket: ClientConnection
    _: KW_ONLY
    version: str

    async def run(self, cell: str) -> str:
        """Run a cell.

        Args:
            cell: Python; the value of its last expression is the answer.

        Returns:
            That value as text; empty if there was none.

        Raises:
            KernelError: If the cell fails, or gives no answer within 30 s.
            ConnectionClosed: If the server went away.
        """
        request = uuid.uuid4().hex
        await self.socket.send(_execute(request, cell))
        value = ""
        with anyio.move_on_after(_CELL_LIMIT):
            while True:
                message = json.loads(await self.socket.recv())
                if message["parent_header"].get("msg_id") != request:
                    continue
                kind, content = message["msg_type"], message["content"]
                if kind == "execute_result":
                    value = str(content["data"]["text/plain"])
                elif kind == "error":
                    msg = f"cell {cell!r} failed: {content['ename']}: {content['evalue']}"
                    raise KernelError(msg)
                elif kind == "status" and content["execution_state"] == "idle":
                    return value
        msg = f"cell {cell!r} gave no answer within {_CELL_LIMIT:.0f} s"
        raise KernelError(msg)


async def prepare_notebooks(cache: Path, folder: Path, say: Say) -> Notebooks:
    """Fetch both Jupyter Servers.

    Args:
        cache: Where downloads are kept between runs, from `cache_folder`.
        folder: The folder of this run.
        say: Is told what is downloaded.

    Returns:
        The releases and the folder of their notebooks. Their token is not in them: give `JUPYTER_TOKEN`.

    Raises:
        PreparationError: If something cannot be fetched from PyPI.
    """
    root = folder / "notebooks"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with locked(cache):
        old = await prepare_environment(cache, "jupyter-server-2.20.0", say)
        new = await prepare_environment(cache, "jupyter-server-2.21.1", say)
    return Notebooks(root, current=_release("2.20.0", old, folder), newer=_release("2.21.1", new, folder))


@asynccontextmanager
async def open_kernel(client: httpx.AsyncClient, token: str) -> AsyncGenerator[Kernel]:
    """Open a visitor's session: start a kernel, and hold a websocket to it.

    Args:
        client: Knows the address of the router, and keeps its cookies.
        token: The server's token.

    Yields:
        The kernel. The end of the block closes the websocket; the kernel itself lives as long as its server.

    Raises:
        KernelError: If the server does not start one.
    """
    headers = {"Authorization": f"token {token}"}
    version = (await client.get("/api")).json()["version"]
    answer = await client.post("/api/kernels", json={"name": "python3"}, headers=headers)
    if answer.status_code != httpx.codes.CREATED:
        msg = (
            f"no kernel from Jupyter Server {version}: it answered {answer.status_code} {answer.text[:200]!r}"
        )
        raise KernelError(msg)
    kernel = answer.json()["id"]
    address = client.base_url.copy_with(scheme="ws", path=f"/api/kernels/{kernel}/channels")
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    extra = headers | ({"Cookie": cookies} if cookies else {})
    async with connect(str(address), additional_headers=extra, max_size=None) as socket:
        yield Kernel(socket, version=version)


def _execute(request: str, cell: str) -> str:
    header = {
        "msg_id": request,
        "msg_type": "execute_request",
        "username": "",
        "session": "",
        "version": "5.3",
        "date": "",
    }
    content = {
        "code": cell,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
    }
    return json.dumps(
        {
            "channel": "shell",
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
        }
    )


def _release(version: str, environment: Path, folder: Path) -> AppRelease:
    server = {
        "ip": "127.0.0.1",
        "port_retries": 0,  # the port is given, not looked for: another one would never be found by the router
        "open_browser": False,
        "allow_root": True,
        "root_dir": str(folder / "notebooks"),
        "tornado_settings": {"headers": {"X-Revision": version}},
    }
    return AppRelease(
        version,
        command=(
            str(environment / "bin" / "python"),
            "-m",
            "jupyter_server",
            "--config={config}/server.json",
            "--ServerApp.port={port}",
        ),
        health="/api",
        # Nothing of the visitor's own Jupyter may leak in, and nothing out.
        env={
            f"JUPYTER_{kind}_DIR": str(folder / "jupyter" / kind.lower())
            for kind in ("CONFIG", "DATA", "RUNTIME")
        },
        config={"server.json": json.dumps({"ServerApp": server})},
    )
