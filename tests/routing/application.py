"""An application to be routed to: it says who it is, and can be slow, broken or unwell."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Application", "application"]


@dataclass
class Application:
    """One instance, and what it has seen.

    Attributes:
        revision: What it answers with.
        instance: Its own name.
        address: Where it listens.
        status: Status of its answers.
        healthy: Whether its health path is well.
        cut: Whether it drops connections instead of answering.
        seen: Requests, health checks aside.
        release: Lets slow requests finish.
    """

    revision: str
    instance: str
    address: str = ""
    status: int = 200
    healthy: bool = True
    cut: bool = False
    seen: int = 0
    waiting: int = 0
    release: anyio.Event = field(default_factory=anyio.Event)


@asynccontextmanager
async def application(
    revision: str, instance: str = "", *, unix: Path | None = None
) -> AsyncIterator[Application]:
    """Serve an application on a port of its own, or on a unix socket."""
    app = Application(revision, instance or f"{revision}-1")
    runner = web.AppRunner(_app(app), access_log=None, shutdown_timeout=0.1)
    async with serving(runner, unix=unix) as port:
        app.address = f"unix:{unix}" if unix else f"127.0.0.1:{port}"
        try:
            yield app
        finally:
            app.release.set()


def _app(app: Application) -> web.Application:
    async def health(_: web.Request) -> web.Response:
        return web.Response(status=200 if app.healthy else 503)

    async def slow(_: web.Request) -> web.Response:
        app.waiting += 1
        await app.release.wait()
        return web.Response(text=app.revision)

    async def echo(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for message in answer:
            await answer.send_str(f"{app.revision}:{message.data}")
        return answer

    async def page(request: web.Request) -> web.Response:
        app.seen += 1
        if app.cut and request.transport:
            request.transport.abort()
        return web.Response(text=app.revision, status=app.status, headers={"x-seen-host": request.host})

    site = web.Application()
    site.add_routes([web.get("/health", health), web.get("/slow", slow), web.get("/echo", echo)])
    site.router.add_route("*", "/{rest:.*}", page)
    return site
