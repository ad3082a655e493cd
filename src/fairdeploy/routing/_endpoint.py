"""Whether an endpoint could be served, found out before anything is changed for it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Protocol

from fairdeploy.errors import InvalidInput, Refused, RouterError
from fairdeploy.routing import _certificate
from fairdeploy.routing._address import normal, parts

if TYPE_CHECKING:
    from fairdeploy.model import TLS, Target

__all__ = ["check"]


class Served(Protocol):
    """What is served already."""

    @property
    def endpoint(self) -> str:
        """Where."""
        ...

    @property
    def tls(self) -> TLS | None:
        """With which certificate."""
        ...


def check(target: Target, served: Served | None) -> None:
    """See that a target's endpoint can be opened with its certificate, as far as they are not served already. Blocks.

    Args:
        target: Whose.
        served: What its router was told last, or ``None``.

    Raises:
        InvalidInput: If its address or certificate cannot be used.
        Refused: If it cannot be opened.
    """
    host, port = target.address
    wanted = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    parts(wanted)  # refuses a name that would have to be looked up
    if target.tls is not None and (served is None or served.tls != target.tls):
        try:
            _certificate.check(target.tls)
        except RouterError as exc:
            raise InvalidInput(f"{target.id!r} cannot be served: {exc}") from exc
    if served is not None and normal(served.endpoint) == normal(wanted):
        return
    plain = "127.0.0.1" if host == "localhost" else host
    with socket.socket(socket.AF_INET6 if ":" in plain else socket.AF_INET) as probe:
        # As routers do: an old connection that is still dying does not keep the address.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plain, port))
        except OSError as exc:
            raise Refused(
                f"endpoint {target.endpoint!r} of {target.id!r} cannot be opened ({exc.strerror}): "
                "end the program that has it, or give another endpoint"
            ) from exc
