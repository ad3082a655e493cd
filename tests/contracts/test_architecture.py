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

DECIDING_ROOMS = {"analysis", "model", "patterns", "protocols", "strategies", "validation"}
SHELLS = {
    "asyncio.create_subprocess_shell",
    "os.popen",
    "os.system",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}
"""What always runs a shell."""
STARTERS = {
    "anyio.open_process",
    "anyio.run_process",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.run",
}
"""What runs a shell when it is given a text instead of a list."""
SIGNALS = {
    "fairdeploy.engine.control.Stopped": "ends the step loop from beside it; the runner turns it into an outcome",
    "fairdeploy.engine.run.StepFailed": "ends the step loop from within; the runner turns it into an outcome",
    "fairdeploy.health._oidc._Wrong": "ends the questions to a provider from within, and becomes a finding",
    "fairdeploy.preflight._wire.Closed": "the drain check counts it",
    "fairdeploy.preflight._wire.Cut": "the drain check counts it",
    "fairdeploy.routing._socket.Unreachable": "the router waits, or raises a RouterError from it",
    "fairdeploy.routing.kubernetes._answers.Answered": "what an API server says; border() makes an error of ours from it",
}
"""Control flow that no caller sees, by qualified name, and why it is no error. An entry that is not needed fails."""


def _contracts() -> dict[str, dict[str, list[str]]]:
    return {each["id"]: each for each in source.config()["tool"]["importlinter"]["contracts"]}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path in source.sources():
        for node in ast.walk(source.tree(path)):
            if isinstance(node, ast.Call):
                yield f"{source.relative(path)}:{node.lineno}", node


def _called(call: ast.Call) -> str:
    """Name what is called, as `module.function`; anything else has no name."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
        case _:
            return ""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _runs_a_shell(call: ast.Call) -> bool:
    name = _called(call)
    asked = any(
        key.arg == "shell" and not (isinstance(key.value, ast.Constant) and key.value.value is False)
        for key in call.keywords
    )
    return asked or name in SHELLS or (name in STARTERS and bool(call.args) and _is_text(call.args[0]))


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


@pytest.mark.parametrize(
    ("code", "shell"),
    [
        ("subprocess.run(['ls', path])", False),
        ("platform.system()", False),
        ("world.call('ls')", False),
        ("subprocess.run('ls')", True),
        ("anyio.run_process(f'ls {path}')", True),
        ("subprocess.Popen(argv, shell=True)", True),
        ("os.system(command)", True),
    ],
)
def test_a_shell_is_seen(code: str, shell: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """The rule tells a shell from an argument list."""
    assert (
        _runs_a_shell(next(node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))) is shell
    )


def test_no_shell() -> None:
    """Programs are started from argument lists."""
    assert not [where for where, call in _calls() if _runs_a_shell(call)]


def test_no_stub() -> None:
    """Nothing is left to be implemented."""
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
