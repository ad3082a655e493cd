"""One call to supervisord over its unix socket, with a deadline."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from typing import TYPE_CHECKING, TypeAlias, cast
from xml.parsers.expat import ExpatError

from typing_extensions import override

from fairdeploy.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BROKEN", "UNREACHABLE", "Answer", "Refusal", "call"]

Answer: TypeAlias = "bool | int | str | list[dict[str, str | int]] | dict[str, str | int]"
UNREACHABLE = (ConnectionRefusedError, FileNotFoundError, ConnectionResetError, http.client.HTTPException)
"""Nobody listens: supervisord has ended. (A deadline passed is not among them: it may only be stopped.)"""
BROKEN = (xmlrpc.client.Error, ExpatError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
"""What an answer leads to that is none of supervisord's. Its parser refuses entities that multiply."""


class Refusal(BackendError):
    """supervisord has refused; ``fault`` is its word for why."""

    def __init__(self, fault: str) -> None:
        """Keep the word apart from the sentence."""
        self.fault = fault
        super().__init__(f"supervisord refused: {fault}")


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Transport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__()
        self._where = path, seconds

    @override
    def make_connection(self, host: object) -> http.client.HTTPConnection:
        connection = _Connection(*self._where)
        self._connection = host, connection  # type: ignore[assignment]  # what the base class closes
        return connection


def call(path: str, method: str, *arguments: str | int | bool, seconds: float = 5.0) -> Answer:
    """Call a method and return its answer. Blocks: give it a thread.

    Raises:
        OSError: If nobody listens, or the deadline passes.
        xmlrpc.client.Fault: If supervisord refuses.
    """
    with xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(path, seconds)) as proxy:
        asked = cast("Callable[..., Answer]", getattr(proxy, method))
        return asked(*arguments)
