"""What programs say, without the secrets that they were given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from fairdeploy.host import _files
from fairdeploy.system.hidden import MASK, Hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


__all__ = ["hide", "values"]

_SHORTEST = 4
"""Characters: what is shorter is found in ordinary words, which would be masked too."""


def values(secrets: Mapping[str, Mapping[str, str]]) -> tuple[Hidden, ...]:
    """Return the secrets of an instance; those that cannot be found any more are left out."""
    return tuple(Hidden(found) for where in secrets.values() if (found := _value(where)) is not None)


def _value(where: Mapping[str, str]) -> Hidden | None:
    path = Path(where["path"])
    if "key" in where:
        found = (_files.read_json(path) or {}).get(where["key"])
        return Hidden(found) if isinstance(found, str) else None
    try:
        return Hidden(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def hide(lines: Iterable[str], secrets: Iterable[str]) -> tuple[str, ...]:
    """Return lines in which a mask stands for each secret, as it is or as it stands in a URL, line by line."""
    parts = {part.strip() for secret in secrets for part in secret.splitlines()}
    known = {form for part in parts if len(part) >= _SHORTEST for form in (part, quote(part, safe=""))}
    longest_first = sorted(known, key=lambda form: (-len(form), form))
    return tuple(_masked(line, longest_first) for line in lines)


def _masked(line: str, known: Iterable[str]) -> str:
    for form in known:
        line = line.replace(form, MASK)
    return line
