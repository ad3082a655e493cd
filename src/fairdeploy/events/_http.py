"""One message over HTTP. The only module of this room that imports httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from fairdeploy.errors import NotificationError
from fairdeploy.system.trust import bare, trusting
from fairdeploy.system.web import web_client

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ask"]

_UNANSWERED = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)


async def ask(
    method: str,
    url: str,
    body: bytes,
    *,
    address: str,
    headers: Mapping[str, str],
    ca_file: str | None,
    most: int = 0,
) -> tuple[int, Mapping[str, str], bytes]:
    """Send a body to one address and return status, headers and the answer's beginning: no proxy, no redirect followed.

    Args:
        method: Such as ``POST``.
        url: What is meant: its name is proved by TLS, whatever the address.
        body: JSON.
        address: What is connected to.
        headers: Of the message.
        ca_file: Certificates to trust instead of the usual ones.
        most: Bytes of the answer that are read.

    Raises:
        NotificationError: If there is no answer.
    """
    meant = httpx.URL(url)
    there = meant.copy_with(host=address)
    sent = {"user-agent": "fairdeploy", "content-type": "application/json", **headers}
    sent["host"] = meant.netloc.decode("ascii")
    try:
        verify = trusting(ca_file) if meant.scheme == "https" else bare()
        extensions = {"sni_hostname": meant.host}
        async with web_client(verify=verify) as client:
            request = client.build_request(method, there, content=body, headers=sent, extensions=extensions)
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return response.status_code, dict(response.headers), await _beginning(response, most)
            finally:
                await response.aclose()
    except _UNANSWERED as error:
        # Not chained: the request that httpx keeps in its error holds the signature.
        raise NotificationError(f"{meant.host!r} did not take it: {type(error).__name__}: {error}") from None


async def _beginning(response: httpx.Response, most: int) -> bytes:
    said = b""
    if most:
        async for part in response.aiter_bytes():
            said += part
            if len(said) >= most:
                break
    return said[:most]
