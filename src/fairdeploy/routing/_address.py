"""Addresses of endpoints and members: read, and refused in our words."""

from __future__ import annotations

import ipaddress
from typing import Final

from fairdeploy.errors import InvalidInput

__all__ = ["UNIX", "normal", "parts"]

UNIX: Final = "unix:"
_MAX_PORT: Final = 65_535


def parts(text: str) -> tuple[str, int]:
    """Return the host, an IP address, and the port of ``host:port``.

    Raises:
        InvalidInput: If it is none, or the host is a name other than ``localhost``.
    """
    host, _, port = text.rpartition(":")
    return _host(host, text), _port(port, text)


def normal(text: str) -> str:
    """Return ``host:port`` or ``unix:/path`` as a router would report it.

    Raises:
        InvalidInput: As `address`.
    """
    if text.startswith(UNIX):
        return text
    host, port = parts(text)
    return f"{host}:{port}"


def _host(host: str, text: str) -> str:
    host = host.removeprefix("[").removesuffix("]")
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError as exc:
        msg = f"address {text!r}: the host must be an IP address or 'localhost', such as '127.0.0.1:8080' or 'unix:/run/app.sock'"
        raise InvalidInput(msg) from exc


def _port(port: str, text: str) -> int:
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= _MAX_PORT:
        msg = f"address {text!r}: the port must be from 1 to {_MAX_PORT}, such as '127.0.0.1:8080'"
        raise InvalidInput(msg)
    return int(port)
