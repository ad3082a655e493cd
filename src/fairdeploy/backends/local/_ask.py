"""Ask one instance by a probe: once, with its deadline."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING

import anyio

from fairdeploy.host import _asking, launch
from fairdeploy.model import CommandProbe, HTTPProbe, TCPProbe

if TYPE_CHECKING:
    from anyio.abc import ByteStream

    from fairdeploy.backends.local._record import Record
    from fairdeploy.host._asking import AnyProbe

__all__ = ["ask"]


async def ask(probe: AnyProbe, record: Record, port: int | None) -> str:
    """Return why the instance is not well, or an empty text if it is."""
    with anyio.move_on_after(probe.timeout_ms / 1000):
        try:
            match probe:
                case HTTPProbe():
                    place = f"127.0.0.1:{port}" if port else "localhost"
                    return await _asking.http(probe, place, partial(_connect, record, port))
                case TCPProbe():
                    await (await _connect(record, port)).aclose()
                    return ""
                case CommandProbe():
                    return await _command(probe, record, port)
        except OSError as error:
            return f"{_place(record, port)}: {error.strerror or 'no connection'}"
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return f"{_place(record, port)}: connection lost"
    return f"{_what(probe)}: no answer in {probe.timeout_ms} ms"


def _what(probe: AnyProbe) -> str:
    match probe:
        case HTTPProbe(path=path):
            return f"GET {path}"
        case TCPProbe():
            return "connect"
        case CommandProbe(command=command):
            return command[0]


def _place(record: Record, port: int | None) -> str:
    return record.address(port) or "no port"


async def _connect(record: Record, port: int | None) -> ByteStream:
    if record.uds is not None:
        return await anyio.connect_unix(record.uds)
    if port is None:
        raise OSError(0, "it has no port")
    return await anyio.connect_tcp("127.0.0.1", port)


async def _command(probe: CommandProbe, record: Record, port: int | None) -> str:
    values = record.filled(port)
    argv = [launch.fill(word, values) for word in probe.command]
    env = {key: launch.fill(value, values) for key, value in record.env.items()}
    quiet = subprocess.DEVNULL
    try:
        ran = await anyio.run_process(
            argv, check=False, stdin=quiet, stdout=quiet, stderr=quiet, cwd=record.cwd, env=env
        )
    except OSError as error:
        return f"{argv[0]}: cannot be run ({error.strerror})"
    return "" if ran.returncode == 0 else f"{argv[0]}: exit status {ran.returncode}"
