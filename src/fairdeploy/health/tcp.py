"""Ask whether a connection is accepted."""

from __future__ import annotations

import socket

import anyio

from fairdeploy.health.finding import Finding, failed, passed, unclear

__all__ = ["ask_tcp"]

_MAX_PORT = 65_535


async def ask_tcp(asked: str, address: str, timeout_ms: int) -> Finding:
    """Connect and hang up.

    Args:
        asked: Who is asked, for the message.
        address: ``host:port`` or ``unix:/path``.
        timeout_ms: For the connection.
    """
    try:
        with anyio.fail_after(timeout_ms / 1000):
            await _connect(address)
    except TimeoutError:
        return failed(asked, f"{asked} did not accept a connection on {address!r} within {timeout_ms} ms")
    except socket.gaierror as error:
        return unclear(asked, f"{asked} cannot be found: {address!r} does not resolve ({error.strerror})")
    except ValueError:
        return unclear(
            asked, f"{asked} has the address {address!r}, which is not 'host:port' or 'unix:/path'"
        )
    except OSError as error:
        return failed(
            asked, f"{asked} did not accept a connection on {address!r}: {error.strerror or 'refused'}"
        )
    return passed(asked, f"{asked} accepts connections on {address!r}")


async def _connect(address: str) -> None:
    if address.startswith("unix:"):
        stream: anyio.abc.SocketStream = await anyio.connect_unix(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        if not host or not 0 < int(port) <= _MAX_PORT:
            raise ValueError(address)
        stream = await anyio.connect_tcp(host.removeprefix("[").removesuffix("]"), int(port))
    await anyio.aclose_forcefully(stream)
