"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING

import pytest

from fairdeploy import errors
from tests.contracts import source

if TYPE_CHECKING:
    from collections.abc import Iterator

DECIDING_ROOMS = {"analysis", "model", "patterns", "protocols", "strategies"}
SHELLS = {"create_subprocess_shell", "getoutput", "getstatusoutput", "popen", "system"}
STARTERS = {"Popen", "call", "check_call", "check_output", "open_process", "run", "run_process"}

SIGNALS: dict[str, str] = {}
"""Control flow that no caller sees, by qualified name, and why it is no error. An entry that is not needed fails."""


def _contracts() -> dict[str, dict[str, list[str]]]:
    return {each["id"]: each for each in source.config()["tool"]["importlinter"]["contracts"]}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path in source.sources():
        for node in ast.walk(source.tree(path)):
            if isinstance(node, ast.Call):
                yield f"{source.relative(path)}:{node.lineno}", node


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def test_every_deciding_room_is_kept_from_io() -> None:
    """The rooms that decide are named in the import contract that forbids I/O, once they exist."""
    existing = {f"fairdeploy.{room}" for room in DECIDING_ROOMS if (source.PACKAGE / room).is_dir()}

    assert set(_contracts()["decisions"]["source_modules"]) == existing


def test_no_room_enters_by_the_front_door() -> None:
    """Modules import each other where a thing is defined, never through `fairdeploy` itself."""
    guilty = [
        f"{source.relative(path)}:{node.lineno}"
        for path in source.sources()
        for node in ast.walk(source.tree(path))
        if (isinstance(node, ast.ImportFrom) and node.module == "fairdeploy")
        or (isinstance(node, ast.Import) and any(alias.name == "fairdeploy" for alias in node.names))
    ]

    assert not guilty


def test_errors_are_of_one_tree() -> None:
    """An error that a module defines derives from `FairdeployError`, but for the signals that are listed."""
    strangers = {
        f"{name}.{cls.__qualname__}"
        for name in source.module_names()
        for _, cls in inspect.getmembers(source.load(name), inspect.isclass)
        if cls.__module__ == name
        and issubclass(cls, BaseException)
        and not issubclass(cls, errors.FairdeployError)
    }

    assert strangers == set(SIGNALS)


def test_the_error_tree_is_drawn() -> None:
    """Each error stands in the drawing at the top of `errors.py`, and the drawing holds no other."""
    drawn = set(re.findall(r"^[ │]*[├└]── (\w+)", errors.__doc__ or "", flags=re.MULTILINE))

    assert drawn | {"FairdeployError"} == set(errors.__all__)


def test_no_shell() -> None:
    """Programs are started from argument lists."""
    guilty = [
        where
        for where, call in _calls()
        if _called(call) in SHELLS
        or any(
            key.arg == "shell" and not (isinstance(key.value, ast.Constant) and key.value.value is False)
            for key in call.keywords
        )
        or (
            _called(call) in STARTERS
            and call.args
            and isinstance(call.args[0], ast.JoinedStr | ast.Constant)
            and isinstance(getattr(call.args[0], "value", ""), str)
        )
    ]

    assert not guilty


def test_no_stub() -> None:
    """Nothing is left to be implemented: a function without a body is a protocol's or an overload."""
    guilty = [
        f"{source.relative(path)}:{node.lineno}"
        for path in source.sources()
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]

    assert not guilty


def test_typed() -> None:
    """Type checkers are told that the package is typed."""
    assert (source.PACKAGE / "py.typed").is_file()
