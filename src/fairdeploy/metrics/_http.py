"""One question over HTTP. The only module of this room that imports httpx."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING

import anyio
import httpx

from fairdeploy.errors import MetricsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNANSWERED", "post"]

LONGEST_BODY = 4_194_304
"""Bytes of an answer that are read: some 20,000 series."""
UNANSWERED = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""What httpx raises when there is no answer."""


async def post(
    url: str, form: Mapping[str, str], *, token: str | None, ca_file: str | None, timeout_ms: int
) -> tuple[int, bytes]:
    """Send a form and return status and body: no proxy, no redirect followed, at most 4 MiB read.

    Raises:
        MetricsError: If there is no answer in time, or it is too long.
    """
    headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "fairdeploy"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    try:
        with anyio.fail_after(timeout_ms / 1000):
            transport = httpx.AsyncHTTPTransport(verify=_context(url, ca_file), trust_env=False)
            client = httpx.AsyncClient(
                transport=transport,
                trust_env=False,
                timeout=None,  # noqa: S113 -- the deadline is over everything, the body included
                headers=headers,
            )
            async with client, client.stream("POST", url, data=form, follow_redirects=False) as response:
                return response.status_code, await _body(response, url)
    except TimeoutError:
        raise MetricsError(f"{url!r} did not answer within {timeout_ms} ms") from None
    except UNANSWERED as error:
        # Not chained: the request that httpx keeps in its error holds the token.
        raise MetricsError(f"{url!r} cannot be asked: {type(error).__name__}: {error}") from None


async def _body(response: httpx.Response, url: str) -> bytes:
    body = bytearray()
    # Cancelled, not left: a `break` would leave the generators of httpx below this one open.
    with anyio.CancelScope() as enough:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LONGEST_BODY:
                enough.cancel()
    if len(body) > LONGEST_BODY:
        raise MetricsError(f"{url!r} answered more than {LONGEST_BODY} bytes: let the queries add series up")
    return bytes(body)


def _context(url: str, ca_file: str | None) -> ssl.SSLContext:
    return _trusting(ca_file) if url.startswith("https:") else _bare()


@cache
def _trusting(ca_file: str | None) -> ssl.SSLContext:
    """Trust the given certificates, or what httpx trusts; reading those takes some 20 ms."""
    if ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    return httpx.create_ssl_context(trust_env=False)


@cache
def _bare() -> ssl.SSLContext:
    """Trust nobody: for plain HTTP, where httpx wants a context all the same."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
