"""A client of HTTP that leaves nothing open, however it ends. Imports httpx."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

__all__ = ["web_client"]


@asynccontextmanager
async def web_client(
    *, verify: ssl.SSLContext | bool, headers: Mapping[str, str] | None = None, uds: str | None = None
) -> AsyncGenerator[httpx.AsyncClient]:
    """Give a client for a few questions, with no proxy and no time limit: the caller's deadline is over everything.

    httpcore (1.0.9) closes the connection of a TLS handshake that fails, but not of one that is
    cancelled. So each connection is noted when it is made, and closed in the end.

    Args:
        verify: As httpx takes it.
        headers: Of every question.
        uds: Path of the unix socket that answers, if one does.
    """
    connections: list[Any] = []  # httpcore's network streams; httpx does not name their type

    async def note(event: str, found: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            connections.append(found["return_value"])

    async def watched(request: httpx.Request) -> None:
        request.extensions["trace"] = note

    client = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(verify=verify, uds=uds, trust_env=False),
        trust_env=False,
        timeout=None,  # noqa: S113 -- see above
        headers=headers,
        event_hooks={"request": [watched]},
    )
    try:
        async with client:
            yield client
    finally:
        with anyio.CancelScope(shield=True):  # bare connections: closing them waits for nobody
            for connection in connections:
                await connection.aclose()
