"""Where a webhook may lead: to what its owner allows, and never to what only looks so."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final, TypeAlias

import anyio

from fairdeploy.errors import NotificationError

__all__ = ["Network", "allowed", "pinned"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Well-known prefix under which IPv4 addresses are reached over IPv6 (RFC 6052)."""


def _within(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo is not None else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def allowed(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address may be connected to: a public one, or one of the networks that were allowed.

    What is no public unicast address (private, loopback, link-local with the metadata services of clouds, shared,
    reserved, multicast; by the registries of IANA, as the standard library has them) is refused, also inside an IPv6
    address that stands for an IPv4 one.
    """
    found = _within(ipaddress.ip_address(address.partition("%")[0]))
    if any(found.version == network.version and found in network for network in networks):
        return True
    return found.is_global and not found.is_multicast


async def pinned(host: str, port: int, networks: Sequence[Network]) -> str:
    """Resolve a name once, and return the one address to be connected to.

    Raises:
        NotificationError: If it cannot be resolved, or if any of its addresses may not be connected to.
    """
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotificationError(f"host {host!r} cannot be resolved: {error.strerror or error}") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    refused = [each for each in addresses if not allowed(each, networks)]
    if refused or not addresses:
        refusal = NotificationError(
            f"host {host!r} leads to {refused!r}, which is no public address: allow its network with allow=['10.0.0.0/8'], "
            "if that is meant"
        )
        refusal.retryable = False
        raise refusal
    return addresses[0]
