"""What programs say, without the secrets that they were given; and values that a traceback does not show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, final
from urllib.parse import quote

from typing_extensions import override

from fairdeploy.backends.local import _files, _scan, _tail

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fairdeploy.backends.local._layout import Layout
    from fairdeploy.model import InstanceId, RevisionId

__all__ = ["Hidden", "hide", "last_words", "values"]

_MASK = "[secret]"
_SHORTEST = 4
"""Characters: what is shorter is found in ordinary words, which would be masked too."""


@final
class Hidden(str):
    """A text that no `repr` shows: tools that print the local variables of a traceback ask for that."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return _MASK


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
        line = line.replace(form, _MASK)
    return line


def last_words(layout: Layout, revision: RevisionId, lines: int) -> dict[InstanceId, tuple[str, ...]]:
    """Return the last lines of each instance of a revision. Blocks: give it a thread."""
    return {
        record.id: hide(_tail.last(layout.log(record.id), lines), values(record.secrets))
        for record in _scan.records(layout)
        if record.revision == revision
    }
