"""Serving under uvicorn, with signals handled here and not there."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio

from fairdeploy.errors import MissingDependency
from fairdeploy.testing.apps._asgi import App

try:
    import uvicorn
except ImportError as exc:
    msg = "the applications of fairdeploy.testing need uvicorn: pip install 'uvicorn[standard]'"
    raise MissingDependency(msg) from exc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.testing.apps._options import Options

    Ending = Callable[[App, uvicorn.Server, Options], Awaitable[None]]

__all__ = ["serve"]

_LOOK_EVERY_S = 0.02


def serve(options: Options, ending: Ending) -> None:
    """Serve until SIGTERM or SIGINT, and then end as `ending` does. Prints `{"ready": ADDRESS}` once it answers."""
    time.sleep(options.start_delay)
    app = App(options)
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port or 0,
        uds=options.uds,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=options.keep_alive,
        timeout_graceful_shutdown=max(1, round(options.grace)),
        ws_per_message_deflate=False,
        ws_ping_interval=None,
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_with_signal, app, server, options, ending)
            sockets = [_listener(options)] if options.uds is None else None
            await server.serve(sockets)
            tasks.cancel_scope.cancel()

    anyio.run(run, backend_options={"use_uvloop": find_spec("uvloop") is not None})


def _listener(options: Options) -> socket.socket:
    return socket.create_server((options.host, options.port or 0), backlog=2048)


async def _end_with_signal(app: App, server: uvicorn.Server, options: Options, ending: Ending) -> None:
    while not server.started:  # noqa: ASYNC110 -- uvicorn sets its own handlers first, and offers no event
        await anyio.sleep(_LOOK_EVERY_S)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        address = options.uds or server.servers[0].sockets[0].getsockname()
        sys.stdout.write(json.dumps({"ready": address}) + "\n")
        sys.stdout.flush()
        async for (
            _
        ) in signals:  # a second signal must find a handler too: its default would cut what still drains
            await ending(app, server, options)
