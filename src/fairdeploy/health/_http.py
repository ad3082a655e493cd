"""Ask a path over HTTP. The only module of this room that imports httpx."""

from __future__ import annotations

import socket
import ssl
from functools import cache
from typing import TYPE_CHECKING

import anyio
import httpx

from fairdeploy.health.finding import Finding, failed, passed, unclear

if TYPE_CHECKING:
    from fairdeploy.model import HTTPCheck

__all__ = ["REFUSED", "UNCLEAR", "ask_http"]

_LONGEST_BODY = 1_048_576
_MAX_PORT = 65_535
REFUSED = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""What an instance that is not well makes httpx raise."""
UNCLEAR = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""What says nothing about the instance."""


async def ask_http(check: HTTPCheck, asked: str, address: str | None, path: str) -> Finding:
    """Ask one path, or one URL, once: no proxy, no redirect followed, at most 1 MiB read.

    Args:
        check: What a good answer is.
        asked: Who is asked, for the message.
        address: Of the instance; ``None`` if ``path`` is a whole URL.
        path: What to ask for.
    """
    what = path if address is None else f"{asked} at {path}"
    try:
        with anyio.fail_after(check.timeout_ms / 1000):
            status, body = await _get(address, path, read=check.contains is not None)
    except TimeoutError:
        return failed(asked, f"{what} did not answer within {check.timeout_ms} ms")
    except REFUSED as error:
        fault = _own_fault(error)
        if fault is not None:
            return unclear(asked, f"{what} cannot be asked: {fault}")
        return failed(asked, f"{what} did not answer: {str(error) or type(error).__name__}")
    except UNCLEAR as error:
        return unclear(asked, f"{what} cannot be asked: {type(error).__name__}: {error}")
    low, high = check.status
    if not low <= status <= high:
        return failed(asked, f"{what} answered {status}, expected {low} to {high}")
    if check.contains is not None and check.contains.encode() not in body:
        return failed(asked, f"{what} answered {status}, but not with {check.contains!r}")
    return passed(asked, f"{what} answered {status}")


async def _get(address: str | None, path: str, *, read: bool) -> tuple[int, bytes]:
    uds = address.removeprefix("unix:") if address is not None and address.startswith("unix:") else None
    base = "" if address is None else "http://localhost" if uds is not None else f"http://{address}"
    url = httpx.URL(base + path)
    if not 0 < (url.port or 1) <= _MAX_PORT:
        raise httpx.InvalidURL(f"port {url.port} is above {_MAX_PORT}")
    transport = httpx.AsyncHTTPTransport(
        uds=uds,
        verify=_trusting() if url.scheme == "https" else _bare(),
        trust_env=False,
    )
    client = httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        timeout=None,  # noqa: S113 -- the caller's deadline is over everything, the body included
        headers={"accept-encoding": "identity", "user-agent": "fairdeploy"},
    )
    async with client, client.stream("GET", url, follow_redirects=False) as response:
        return response.status_code, await _body(response) if read else b""


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    # Cancelled, not left: a `break` would leave the generators of httpx below this one open.
    with anyio.CancelScope() as enough:
        async for chunk in response.aiter_raw():
            body += chunk[: _LONGEST_BODY - len(body)]
            if len(body) == _LONGEST_BODY:
                enough.cancel()
    return bytes(body)


@cache
def _trusting() -> ssl.SSLContext:
    """Trust what httpx trusts; reading its certificates takes some 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


@cache
def _bare() -> ssl.SSLContext:
    """Trust nobody: for plain HTTP, where httpx wants a context all the same."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _own_fault(error: BaseException) -> str | None:
    """Say what was wrong with the question: a name that does not resolve, a certificate not trusted."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (socket.gaierror, ssl.SSLError)):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return None
