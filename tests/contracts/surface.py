"""The public names and signatures, as text: `python -m tests.contracts.surface` writes them down.

Each thing is described where its path is shortest; a package that also offers it says so in one line.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.contracts import source

if TYPE_CHECKING:
    from collections.abc import Iterator

SNAPSHOT = Path(__file__).with_name("public_api.txt")
HEADER = (
    "# The public API. Made by `uvx nox -s api` (or `python -m tests.contracts.surface`): run it after a change\n"
    "# that is meant, and read the difference. A line that goes or changes breaks somebody: say so in changelog.d/.\n"
)
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def _signature(thing: object) -> str:
    """Write a signature; what has none that Python knows is written as open."""
    if not callable(thing):
        return ""
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return "(...)"
    return _ADDRESS.sub("", text)


def _members(path: str, cls: type) -> Iterator[str]:
    """Describe what a class offers beyond its constructor."""
    if issubclass(cls, enum.Enum):
        yield from (f"{path}.{member.name} = {member.value!r}" for member in cls)
    fields = {each.name for each in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set[str]()
    for name, member in sorted(vars(cls).items()):
        if name.startswith("_") or name in fields or isinstance(member, enum.Enum):
            continue
        function = getattr(member, "__func__", member)
        if isinstance(member, property):
            yield f"{path}.{name}: {inspect.signature(member.fget).return_annotation if member.fget else '?'}"
        elif callable(function):
            prefix = "async " if inspect.iscoroutinefunction(function) else ""
            yield f"{prefix}{path}.{name}{_signature(function)}"


def _described(path: str, thing: object) -> Iterator[str]:
    """Describe one public thing."""
    if isinstance(thing, type):
        bases = [base.__name__ for base in thing.__bases__ if base is not object]
        shape = f" < {', '.join(bases)}" if bases else ""
        hidden = issubclass(thing, enum.Enum) or getattr(thing, "_is_protocol", False)
        yield f"class {path}{'' if hidden else _signature(thing)}{shape}"
        yield from _members(path, thing)
    elif inspect.isroutine(thing):
        prefix = "async " if inspect.iscoroutinefunction(thing) else ""
        yield f"{prefix}{path}{_signature(thing)}"
    else:
        yield f"{path}: {type(thing).__name__}"


def surface() -> str:
    """Describe the whole public API."""
    seen: dict[int, str] = {}
    lines: list[str] = []
    for name in sorted(source.public_names(), key=lambda each: (each.count("."), each)):
        module = source.load(name)
        for each in source.described_by(module):
            thing, path = getattr(module, each), f"{name}.{each}"
            first = seen.setdefault(id(thing), path)
            if first == path:
                lines += _described(path, thing)
            elif hasattr(module, "__path__"):
                lines.append(f"{path} = {first}")
    return HEADER + "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
