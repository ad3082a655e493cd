"""Ask a server for the time. The only module of this room that imports httpx."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from fairdeploy.errors import InvalidInput
from fairdeploy.system.trust import bare, trusting
from fairdeploy.system.web import web_client

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["http_date"]


async def http_date(url: str, seconds: float) -> datetime:
    """Return the ``Date`` of a server's answer, whatever its status.

    Raises:
        InvalidInput: If it does not answer, or tells no date.
    """
    try:
        verify = trusting() if httpx.URL(url).scheme == "https" else bare()
        async with web_client(verify=verify) as client:
            answer = await client.head(url, follow_redirects=False, timeout=seconds)
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        msg = f"{url!r} told no time ({type(error).__name__}): give another URL, or a function"
        raise InvalidInput(msg) from error
