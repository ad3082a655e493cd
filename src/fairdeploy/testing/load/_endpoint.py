"""Where load goes, and where it must not go."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fairdeploy.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Endpoint", "endpoint_of"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to load."""

    host: str
    """The name for the Host header, with the port where it is not the scheme's own."""
    address: str
    """What to connect to."""
    port: int
    tls: ssl.SSLContext | None = None
    tls_name: str | None = None

    @property
    def websocket_url(self) -> str:
        """The same server as a websocket URL, without a path."""
        return f"{'ws' if self.tls is None else 'wss'}://{self.host}"


def endpoint_of(
    url: str, *, allow_hosts: Collection[str] = (), tls: ssl.SSLContext | None = None
) -> Endpoint:
    """Read a base URL such as `http://127.0.0.1:8080`.

    Args:
        url: http or https, a host, perhaps a port; no path, since each traffic names its own.
        allow_hosts: Hosts beyond loopback that may be loaded.
        tls: The context for https; by default the system's trust store.

    Raises:
        InvalidInput: The URL is none, or has a path or query.
        Refused: The host is not loopback and not in `allow_hosts`.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host:
        msg = f"{url!r} is no URL to load: expected http://HOST:PORT or https://HOST:PORT"
        raise InvalidInput(msg)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        msg = f"{url!r} has a path or query: give the base URL alone and put the path into the traffic"
        raise InvalidInput(msg)
    try:
        port = parts.port
    except ValueError as exc:
        msg = f"{url!r} has a wrong port: expected a number from 1 to 65535"
        raise InvalidInput(msg) from exc
    if port == 0:
        msg = f"{url!r} has a wrong port: expected a number from 1 to 65535"
        raise InvalidInput(msg)
    if not _is_loopback(host) and host not in allow_hosts:
        msg = f"load on {host!r} is refused: only loopback may be loaded; if {host!r} is yours, pass allow_hosts=[{host!r}]"
        raise Refused(msg)
    secure = parts.scheme == "https"
    return Endpoint(
        host=parts.netloc.rpartition("@")[2],
        address="127.0.0.1" if host == "localhost" else host,
        port=port or (443 if secure else 80),
        tls=(tls or ssl.create_default_context()) if secure else None,
        tls_name=host if secure else None,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
