"""The user's certificate, tried before the router is told of it: that would only say so in its log."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from fairdeploy.errors import RouterError

if TYPE_CHECKING:
    from fairdeploy.model import TLS

__all__ = ["check"]


def check(tls: TLS) -> None:
    """See that certificate and key can be read and belong together.

    Raises:
        RouterError: If not.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password: an encrypted key must fail here, not ask at a terminal.
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
    except (OSError, ValueError) as exc:
        raise RouterError(
            f"certificate {tls.certificate!r} with key {tls.key!r} cannot be used ({exc}): "
            "give readable PEM files that belong together, the key without a password"
        ) from exc
