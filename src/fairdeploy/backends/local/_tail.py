"""The last words of a process, from the file that its keeper bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["last"]

_BLOCK = 65_536


def last(path: Path, lines: int) -> tuple[str, ...]:
    """Return the last lines of a log and, if they are too few, of its older part. Blocks: give it a thread."""
    found: list[str] = []
    for part in (path, path.with_name(f"{path.name}.1")):
        if len(found) < lines:
            found = _lines(part) + found
    return tuple(found[-lines:]) if lines > 0 else ()


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _BLOCK, 0))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    whole = text.splitlines()
    return whole[1:] if size > _BLOCK else whole
