"""The public names and signatures, as text: `python -m tests.contracts.surface` writes them down.

A package that offers names is the door to its modules: what it does not offer is not public. The modules of a package
that offers nothing are doors of their own. Each thing is described where its path is shortest; another package that
offers it too says so in one line.
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


class _Ordered:
    """A set as a default, written in order: its own `repr` differs from run to run."""

    def __init__(self, members: frozenset[object]) -> None:
        self._members = members

    def __repr__(self) -> str:
        return "{" + ", ".join(sorted(map(repr, self._members))) + "}"


def _steady(parameter: inspect.Parameter) -> inspect.Parameter:
    if isinstance(parameter.default, frozenset):
        return parameter.replace(default=_Ordered(parameter.default))
    return parameter


def _signature(thing: object) -> str:
    """Write a signature; what has none that Python knows is written as open."""
    if not callable(thing):
        return ""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    steady = signature.replace(parameters=[_steady(each) for each in signature.parameters.values()])
    return _ADDRESS.sub("", str(steady))


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
    if not _is_ours(thing):
        yield (
            f"{path} = {thing.__qualname__}" if isinstance(thing, type) else f"{path}: {type(thing).__name__}"
        )
    elif isinstance(thing, type):
        bases = [base.__name__ for base in thing.__bases__ if base is not object]
        shape = f" < {', '.join(bases)}" if bases else ""
        hidden = issubclass(thing, enum.Enum) or getattr(thing, "_is_protocol", False)
        yield f"class {path}{'' if hidden else _signature(thing)}{shape}"
        yield from _members(path, thing)
    else:
        prefix = "async " if inspect.iscoroutinefunction(thing) else ""
        yield f"{prefix}{path}{_signature(thing)}"


def _is_ours(thing: object) -> bool:
    """Tell a class or function of the package from a constant or an alias."""
    origin = getattr(thing, "__module__", None) or ""
    return (isinstance(thing, type) or inspect.isroutine(thing)) and origin.startswith("fairdeploy")


def doors() -> list[str]:
    """List the modules that users import from, the shortest path first."""
    offering = {name for name in source.public_names() if source.described_by(source.load(name))}
    shut = {name for name in offering if name.rpartition(".")[0] in offering and not _is_package(name)}
    return sorted(offering - shut, key=lambda name: (name.count("."), name))


def _is_package(name: str) -> bool:
    return hasattr(source.load(name), "__path__")


def surface() -> str:
    """Describe the whole public API."""
    seen: dict[object, str] = {}
    lines: list[str] = []
    for name in doors():
        module = source.load(name)
        for each in source.described_by(module):
            thing, path = getattr(module, each), f"{name}.{each}"
            first = seen.setdefault(thing, path) if _is_ours(thing) else path
            lines += _described(path, thing) if first == path else [f"{path} = {first}"]
    return HEADER + "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
