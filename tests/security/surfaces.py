"""Every place where a secret could turn up, read as bytes or text."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import urllib.parse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Surfaces", "chain", "locals_of", "open_modes", "processes", "shapes", "stored"]

Surfaces = dict[str, str]
"""What was read, by the name of where."""


def shapes(secret: str) -> tuple[str, ...]:
    """Return the forms in which a value could be seen: as it is, as in a URL, base64, hexadecimal, as a plain hash."""
    raw = secret.encode()
    return (
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(raw).decode().rstrip("="),
        raw.hex(),
        hashlib.sha256(raw).hexdigest(),
        hashlib.md5(raw, usedforsecurity=False).hexdigest(),
    )


def found_in(surfaces: Mapping[str, str], secrets: Iterable[str]) -> set[str]:
    """Name the surfaces that show a secret in any form."""
    forms = [form for secret in secrets for form in shapes(secret)]
    return {name for name, text in surfaces.items() if any(form in text for form in forms)}


def stored(folder: Path) -> Surfaces:
    """Read every file of a folder as it lies on the disk, journal and its write-ahead log included.

    Programs that still run there put files in each other's place meanwhile: what is taken away in between is left out.
    """
    found: Surfaces = {}
    for path in _below(folder):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[f"file {path.relative_to(folder)}"] = path.read_bytes().decode("utf-8", "replace")
    return found


def _below(folder: Path) -> list[Path]:
    """List all in a folder, also while others take it away."""
    return sorted(Path(top, name) for top, below, files in os.walk(folder) for name in (*below, *files))


def processes(what: str) -> Iterator[tuple[int, str]]:
    """Yield ``cmdline`` or ``environ`` of every process that can be read."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            with suppress(OSError):
                yield int(folder.name), (folder / what).read_bytes().decode("utf-8", "replace")


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, all that is behind it, shown or not, and the members of groups."""
    pending, seen = [error], set[int]()
    while pending:
        each = pending.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            pending += [other for other in (each.__cause__, each.__context__) if other is not None]
            pending += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def locals_of(error: BaseException) -> Surfaces:
    """Return what a tool that keeps the local variables of a traceback would keep of an error."""
    kept: Surfaces = {}
    for number, each in enumerate(chain(error)):
        kept[f"error {number} {type(each).__name__}"] = f"{each} {each!r} {vars(each)!r} {each.args!r}"
        frame = each.__traceback__
        while frame is not None:
            code = frame.tb_frame.f_code
            if "/tests/" not in code.co_filename:
                kept[f"locals of {code.co_qualname} ({number})"] = repr(dict(frame.tb_frame.f_locals))
            frame = frame.tb_next
    return kept


def open_modes(folder: Path) -> dict[str, str]:
    """Return what in a folder others could read, enter or write, with its mode.

    Links have no mode of their own. The sockets of instances are the applications' own doing (uvicorn opens its to all):
    the folder that they lie in is private.
    """
    found: dict[str, str] = {}
    for path in [folder, *_below(folder)]:
        with suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & 0o077 and path.parent != folder / "sockets":
                found[str(path.relative_to(folder))] = oct(stat.S_IMODE(mode))
    return found
