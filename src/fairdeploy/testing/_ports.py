"""Ports of the loopback address that nobody listens on."""

from __future__ import annotations

import random
import socket

__all__ = ["free_port"]

_PORTS = range(11_000, 15_000)
"""Below those of outgoing connections and of port 0, and those that backends draw for instances: none takes one of these."""


def free_port() -> int:
    """Return one on which nobody listens, and which no other program is given by this function while this one runs."""
    for port in random.sample(_PORTS, len(_PORTS)):
        if _claimed(port) and _free(port):
            return port
    with socket.socket() as probe:  # no Linux, or all are taken: one that was free a moment ago
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _claimed(port: int) -> bool:
    """Take a name that the kernel gives to one program at a time, until that program ends."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0fairdeploy-port-{port}")
    except (OSError, ValueError):
        claim.close()
        return False
    claim.detach()  # kept by its number: the kernel closes it
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
