"""One question over HTTP. The only module of this room that imports httpx."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import anyio
import httpx

from fairdeploy.errors import MetricsError
from fairdeploy.system.hidden import Hidden
from fairdeploy.system.trust import bare, trusting
from fairdeploy.system.web import web_client

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
        headers["authorization"] = Hidden(f"Bearer {token}")
    try:
        with anyio.fail_after(timeout_ms / 1000):
            async with (
                web_client(verify=_context(url, ca_file), headers=headers) as client,
                client.stream("POST", url, data=form, follow_redirects=False) as response,
            ):
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
    return trusting(ca_file) if url.startswith("https:") else bare()
