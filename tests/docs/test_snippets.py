"""The Python that the prose shows is Python, and names what exists."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.contracts import source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```(?:python|py)\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A fenced block of Python and where it stands."""

    where: str
    code: str


def _pages() -> list[Path]:
    docs = [path for path in source.ROOT.glob("docs/**/*.md") if "_build" not in path.parts]
    return sorted([*source.ROOT.glob("*.md"), *docs])


def _snippets() -> Iterator[Snippet]:
    for page in _pages():
        text = page.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Snippet(f"{source.relative(page)}:{line}", dedent(found["code"]))


SNIPPETS = list(_snippets())


def _parsed(snippet: Snippet) -> ast.Module:
    """Parse a snippet as a notebook would: `await` may stand at its top."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    parsed = compile(snippet.code, snippet.where, "exec", flags=flags, dont_inherit=True)
    assert isinstance(parsed, ast.Module)
    return parsed


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.where)
def test_snippets_name_what_exists(snippet: Snippet) -> None:
    """A snippet compiles, and what it imports from the package can be imported."""
    for node in ast.walk(_parsed(snippet)):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "fairdeploy":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                getattr(module, alias.name)


def test_pages_are_found() -> None:
    """The pages that hold snippets are those that are read: the README is among them."""
    assert source.ROOT / "README.md" in _pages()
