"""On which line of a compose file things stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import accumulate
from typing import Any, Final

from fairdeploy.compose.file import Place

__all__ = ["broken", "find_places"]

_DEPTH: Final = 5
_MOST: Final = 20_000
"""Bounds what aliases can blow up."""
_DEEPEST: Final = 50
"""Brackets within brackets: ruamel.yaml's time grows with their square, to minutes for a few thousand."""


def find_places(file: str, text: str) -> Mapping[str, Place]:
    """Return where things stand, by dotted path; nothing without ruamel.yaml, or where the file cannot be read."""
    found: dict[str, Place] = {}
    for path, line in _walk(_composed(text)[0], ()):
        found.setdefault(".".join(path), Place(file, line))
        if len(found) >= _MOST:
            break
    return found


def broken(file: str, text: str) -> tuple[Place, str] | None:
    """Return where a text stops being YAML, and why; ``None`` if it is YAML, or nobody can tell."""
    _, trouble = _composed(text)
    return (Place(file, trouble[0]), trouble[1]) if trouble else None


def _composed(text: str) -> tuple[Any, tuple[int, str] | None]:
    """Return a text's nodes, or the line on which it stops being YAML, and why.

    Nodes only: no tag makes an object, and no alias is copied. They are ruamel.yaml's, which may not be installed.
    """
    if _nested(text) > _DEEPEST:
        return None, None
    try:
        yaml, error = import_module("ruamel.yaml"), import_module("ruamel.yaml.error")
    except ImportError:
        return None, None
    try:
        return yaml.YAML(typ="safe", pure=True).compose(text), None
    except error.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        return None, (mark.line + 1 if mark else 1, str(exc.problem or exc.context or "it cannot be read"))
    except (error.YAMLError, RecursionError):
        return None, None


def _nested(text: str) -> int:
    """Return how deep brackets are at most, those in strings and comments among them."""
    steps = (1 if each in "[{" else -1 for each in text if each in "[]{}")
    return max(accumulate(steps, lambda depth, step: max(depth + step, 0)), default=0)


def _walk(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:  # noqa: ANN401 -- as above
    if node is None or len(path) >= _DEPTH:
        return
    if node.id == "mapping":
        entries = [(str(key.value), key, value) for key, value in node.value if isinstance(key.value, str)]
    elif node.id == "sequence":
        entries = [(str(index), value, value) for index, value in enumerate(node.value)]
    else:
        return
    for name, mark, value in entries:
        here = (*path, name)
        yield here, mark.start_mark.line + 1
        yield from _walk(value, here)
