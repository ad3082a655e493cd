"""HAProxy's runtime socket: orders and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.errors import RouterError
from fairdeploy.routing._socket import Unreachable, opened
from fairdeploy.routing.haproxy.document import SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["ask", "ordered", "replaced"]

_ANSWER_S: Final = 5.0
_MOST: Final = 16 * 1024 * 1024
_CHUNK: Final = 8_000
"""Bytes of one order: HAProxy reads it into a buffer of 16 kB."""


async def ask(folder: Path, *orders: str) -> str:
    """Return what HAProxy answers to orders, one after the other on one connection.

    Raises:
        Unreachable: If it does not answer.
        RouterError: If it answers too much.
    """
    async with opened(folder, SOCKET) as stream:
        try:
            with anyio.fail_after(_ANSWER_S):
                await stream.send(";".join(orders).encode() + b"\n")
                said = bytearray()
                while True:
                    try:
                        said += await stream.receive()
                    except anyio.EndOfStream:
                        return said.decode(errors="replace")
                    if len(said) > _MOST:
                        raise RouterError("HAProxy answers without end: is it HAProxy that answers there?")
        except (OSError, TimeoutError, anyio.BrokenResourceError) as exc:
            raise Unreachable(f"HAProxy did not answer ({type(exc).__name__})") from exc


async def ordered(folder: Path, orders: Sequence[str]) -> None:
    """Carry orders out; what is no news to HAProxy is no error.

    Raises:
        Unreachable: If it does not answer.
        RouterError: If it refuses one, with its words.
    """
    part: list[str] = []
    for number, order in enumerate(orders, 1):
        part.append(order)
        if number == len(orders) or sum(map(len, part)) > _CHUNK:
            said = (await ask(folder, *part)).strip()
            for line in filter(None, map(str.strip, said.splitlines())):
                if not line.startswith(("no need to change", "IP changed", "port changed", "New version")):
                    raise RouterError(f"HAProxy refuses {part[-1]!r}: {line}")
            part = []


async def replaced(folder: Path, name: str, entries: Iterable[tuple[str, str]]) -> None:
    """Put other entries into a map, all at once: no request finds half of them.

    Raises:
        Unreachable: If HAProxy does not answer.
        RouterError: If it refuses them.
    """
    said = (await ask(folder, f"prepare map {name}")).strip()
    version = said.rpartition(" ")[2]
    if not version.isdecimal():
        raise RouterError(f"HAProxy refuses to prepare map {name!r}: {said}")
    lines = [f"{key} {value}\n" for key, value in entries]
    while lines:
        size, payload = 0, ""
        while lines and size + len(lines[0]) < _CHUNK:
            size += len(lines[0])
            payload += lines.pop(0)
        said = (await ask(folder, f"add map @{version} {name} <<\n{payload}")).strip()
        if said:
            raise RouterError(f"HAProxy refuses entries of map {name!r}: {said}")
    if said := (await ask(folder, f"commit map @{version} {name}")).strip():
        raise RouterError(f"HAProxy refuses map {name!r}: {said}")
