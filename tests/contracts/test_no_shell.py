"""Programs are started from argument lists, never through a shell; nothing that is read is run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.contracts import source

BANNED = {
    "os.system",
    "os.popen",
    "pty.spawn",
    "asyncio.create_subprocess_shell",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "pickle.load",
    "pickle.loads",
    "marshal.load",
    "marshal.loads",
    "shelve.open",
    "eval",
    "exec",
    "yaml.load",
}
"""A shell, or a reader that runs what it reads."""

STARTS = {"run", "Popen", "call", "check_call", "check_output", "open_process", "run_process"}
"""What starts a program, in subprocess and anyio: given one text, anyio's would ask a shell."""


def offences(tree: ast.Module) -> list[str]:
    """List the calls that use a shell, could use one, or run what they read."""
    names = dict(_imported(tree))
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = _name(call.func, names)
        if name in BANNED:
            found.append(f"line {call.lineno}: {name}")
        if any(word.arg == "shell" and not _is_false(word.value) for word in call.keywords):
            found.append(f"line {call.lineno}: shell= in {name}")
        module, _, last = name.rpartition(".")
        text = call.args and isinstance(call.args[0], (ast.Constant, ast.JoinedStr, ast.BinOp))
        if module in {"subprocess", "anyio"} and last in STARTS and text:
            found.append(f"line {call.lineno}: {name} of a text: give a list")
    return found


def _imported(tree: ast.Module) -> list[tuple[str, str]]:
    """Return what local names of modules and functions stand for."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(each.asname or each.name, each.name) for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(each.asname or each.name, f"{node.module}.{each.name}") for each in node.names]
    return found


def _name(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", source.sources(), ids=source.relative)
def test_no_shell_and_nothing_that_is_read_is_run(path: Path) -> None:
    """Every module of the package, adapters included."""
    assert offences(source.tree(path)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.system('ls')",
        "from os import system as run\nrun('ls')",
        "import subprocess as s\ns.run(['ls'], shell=True)",
        "import subprocess\nsubprocess.run(['ls'], shell=quick)",
        "import subprocess\nsubprocess.run('ls')",
        "import anyio\nanyio.open_process(f'ls {folder}')",
        "import asyncio\nasyncio.create_subprocess_shell('ls')",
        "from asyncio import create_subprocess_shell\ncreate_subprocess_shell('ls')",
        "import pickle\npickle.loads(b'')",
        "eval('1')",
    ],
)
def test_what_is_banned_is_found(text: str) -> None:
    """The contract sees through other names and other ways to say it."""
    assert len(offences(ast.parse(text))) == 1


def test_what_is_right_is_let_through() -> None:
    """Lists, `shell=False`, and methods that happen to have the name."""
    text = "import subprocess, anyio\nsubprocess.run(['ls'], shell=False)\nanyio.run_process(argv)\nself.run('x')"
    assert offences(ast.parse(text)) == []
