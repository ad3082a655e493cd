"""What every Envoy document is made of: its type, its version, its address, where others lie."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from typing import TYPE_CHECKING, Final, TypeAlias

from fairdeploy.errors import InvalidInput
from fairdeploy.model.canonical import JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Doc", "address", "api", "document", "file_source", "normal", "seconds"]

Doc: TypeAlias = "dict[str, JSON]"

_API: Final = "type.googleapis.com/envoy."
_UNIX: Final = "unix:"
_MAX_UNIX: Final = 107  # bytes that fit into sockaddr_un on Linux
_MAX_PORT: Final = 65_535


def api(name: str) -> str:
    """Return the full type URL of one of Envoy's messages."""
    return _API + name


def seconds(milliseconds: int) -> str:
    """Return a duration as Envoy spells it."""
    return f"{milliseconds / 1000:g}s"


def file_source(name: str) -> Doc:
    """Return where Envoy finds a document. Relative: Envoy runs in the folder that holds them all."""
    return {"path_config_source": {"path": f"./{name}"}, "resource_api_version": "V3"}


def document(resources: Sequence[Doc], version: str | None = None) -> tuple[str, bytes]:
    """Return the version and the content of a file of resources.

    The version is the hash of the content unless one is given, so that equal files have equal versions.
    """
    body: list[JSON] = [*resources]
    plain = json.dumps(body, sort_keys=True, separators=(",", ":"))
    if version is None:
        version = hashlib.sha256(plain.encode()).hexdigest()[:16]
    return version, f'{{"version_info":{json.dumps(version)},"resources":{plain}}}'.encode()


def address(text: str) -> Doc:
    """Return ``host:port`` or ``unix:/path`` as Envoy's address.

    Raises:
        InvalidInput: If it is neither, if the host is a name other than ``localhost``, or the path too long.
    """
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not path.startswith("/") or len(path.encode()) > _MAX_UNIX:
            msg = f"address {text!r}: a unix socket needs an absolute path of at most {_MAX_UNIX} bytes; use a shorter folder"
            raise InvalidInput(msg)
        return {"pipe": {"path": path}}
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": _host(host, text), "port_value": _port(port, text)}}


def normal(text: str) -> str:
    """Return ``host:port`` or ``unix:/path`` as Envoy would report it.

    Raises:
        InvalidInput: As `address`.
    """
    if text.startswith(_UNIX):
        return text
    host, _, port = text.rpartition(":")
    return f"{_host(host, text)}:{_port(port, text)}"


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
