"""Free ports, for every test: found as the shipped test kit finds them."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fairdeploy.testing._ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["closed_port", "free_port"]


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a port that refuses everybody while the block runs: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
