"""The page on security names tests that exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.contracts import source

PAGE = (source.ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=str)
def test_what_proves_a_mitigation_is_there(path: str, name: str) -> None:
    """A proof that was renamed or removed is noticed."""
    tree = ast.parse((source.ROOT / path).read_text(encoding="utf-8"))
    names = {
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert name in names


def test_there_are_proofs() -> None:
    """The table is read as it is meant to be."""
    assert len(NAMED) >= 14
    assert "docs/security.md" in (source.ROOT / "SECURITY.md").read_text(encoding="utf-8")
