"""The name that a route is for."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairdeploy.model import Target

__all__ = ["hostname"]


def hostname(target: Target) -> str | None:
    """Return the name that a route is for, or ``None``: for all."""
    if target.endpoint is None:
        return None
    host, _port = target.address
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return None
