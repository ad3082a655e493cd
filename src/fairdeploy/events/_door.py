"""The way out for every sink that speaks HTTP: one address, proved before it is connected to, within a deadline."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, final
from urllib.parse import urlsplit

import anyio

from fairdeploy.errors import InvalidInput, NotificationError
from fairdeploy.events.addresses import pinned
from fairdeploy.model import _check
from fairdeploy.system.hidden import Hidden

if TYPE_CHECKING:
    from fairdeploy.events.addresses import Network
    from fairdeploy.model import SecretRef

__all__ = ["Door", "bearer"]

_GONE: Final = frozenset({408, 409, 425, 429})
"""Answers below 500 after which it is worth trying again (RFC 9110, 8470, 6585)."""
_LONGEST_WAIT_S: Final = 3_600.0


@final
class Door:
    """Sends to one URL and what is below it. The name is resolved, and every address checked, for each message.

    Args:
        url: ``https://...``; no user, password or fragment in it.
        allow: Networks besides public addresses that it may lead to.
        plaintext: Whether ``http://`` will do.
        timeout: Seconds for one message, resolving included, 0.1 to 600.
        ca_file: Certificates to trust instead of the usual ones.

    Raises:
        InvalidInput: If the URL is none of these, or a value is out of range.
    """

    def __init__(
        self, url: str, *, allow: Sequence[str], plaintext: bool, timeout: float, ca_file: str | None
    ) -> None:
        self._host, self._port = _proved(url, plaintext=plaintext)
        self._url = url
        self._allow = tuple(_network(each) for each in allow)
        self._timeout = _check.milliseconds(timeout, "timeout", low=100) / 1000
        self._ca_file = ca_file

    async def send(
        self,
        notice: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        below: str = "",
        method: str = "POST",
        most: int = 0,
    ) -> bytes:
        """Send a body, and return the beginning of the answer.

        Args:
            notice: Id of the notice that it is about, for errors.
            body: JSON.
            headers: Of the message.
            below: Path and query to add to the URL.
            method: Such as ``GET``.
            most: Bytes of the answer that are read.

        Raises:
            NotificationError: If it was not taken; ``retryable`` unless the receiver, or its address, was refused.
        """
        from fairdeploy.events._http import ask  # noqa: PLC0415 -- httpx takes some 100 ms

        url = self._url.rstrip("/") + below if below else self._url
        try:
            with anyio.fail_after(self._timeout):
                address = await pinned(self._host, self._port, self._allow)
                status, said, answer = await ask(
                    method, url, body, address=address, headers=headers, ca_file=self._ca_file, most=most
                )
        except TimeoutError:
            raise NotificationError(
                f"{self._host!r} did not take {notice!r} within {self._timeout:g} s"
            ) from None
        if not 200 <= status < 300:
            raise _refused(self._host, notice, status, said.get("retry-after", ""))
        return answer


def _refused(host: str, notice: str, status: int, retry_after: str) -> NotificationError:
    where = " (a redirect, which is not followed)" if 300 <= status < 400 else ""
    error = NotificationError(f"{host!r} answered {status} to {notice!r}{where}")
    error.retryable = status >= 500 or status in _GONE
    if retry_after.isascii() and retry_after.isdigit():
        error.retry_after = min(float(retry_after), _LONGEST_WAIT_S)
    return error


def _proved(url: str, *, plaintext: bool) -> tuple[str, int]:
    """Return host and port of a URL that a webhook may have."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except (ValueError, AttributeError, TypeError):
        host, port, parts = None, None, urlsplit("")
    schemes = {"https": 443, "http": 80} if plaintext else {"https": 443}
    if parts.scheme not in schemes or not host:
        wanted = "https:// or http://" if plaintext else "https:// (or http:// with plaintext=True)"
        raise InvalidInput(f"a webhook's URL must begin with {wanted} and name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInput(f"the URL of the webhook at {host!r} must hold no user, password or fragment")
    return host, port or schemes[parts.scheme]


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InvalidInput(f"allow must hold networks such as '10.1.0.0/16', not {text!r}: {error}") from None


def bearer(token: SecretRef | None) -> dict[str, str]:
    """Return the header that proves who sends; none without a token.

    Raises:
        Unbound: If the token cannot be found.
    """
    return {} if token is None else {"authorization": Hidden(f"Bearer {token.resolve()}")}
