"""What every Envoy document is made of: its type, its version, its address, where others lie."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final, TypeAlias

from fairdeploy.errors import InvalidInput
from fairdeploy.model.canonical import JSON
from fairdeploy.routing._address import UNIX, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Doc", "address", "api", "document", "file_source", "seconds"]

Doc: TypeAlias = "dict[str, JSON]"

_API: Final = "type.googleapis.com/envoy."
_MAX_UNIX: Final = 107  # bytes that fit into sockaddr_un on Linux


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
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        if not path.startswith("/") or len(path.encode()) > _MAX_UNIX:
            msg = f"address {text!r}: a unix socket needs an absolute path of at most {_MAX_UNIX} bytes; use a shorter folder"
            raise InvalidInput(msg)
        return {"pipe": {"path": path}}
    host, port = parts(text)
    return {"socket_address": {"address": host, "port_value": port}}
