"""What the package imports, its users get: from the dependencies, or from an extra that is named."""

from __future__ import annotations

import ast
import functools
import re
import sys
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest

from tests.contracts import source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMES_WITH = {"pydantic-core": "pydantic"}
"""Distributions that another one pins exactly and documents as its own part."""

IF_THERE = {"rich"}
"""Top-level names that are used where the user has them, and done without where not."""


def _normal(name: str) -> str:
    """Write a distribution's name as the package index does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared() -> set[str]:
    """Name the distributions that `pip install "fairdeploy[...]"` asks for, with any extra."""
    project = source.config()["project"]
    wanted = [*project["dependencies"], *_together(project["optional-dependencies"])]
    named = {_normal(re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0]) for each in wanted}
    return named | {part for part, whole in COMES_WITH.items() if whole in named}


def _together(extras: dict[str, list[str]]) -> list[str]:
    """Put the requirements of all extras together."""
    return [each for requirements in extras.values() for each in requirements]


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def _imported(path: Path) -> Iterator[str]:
    """Yield the top-level names that a file imports, wherever in it."""
    for node in ast.walk(source.tree(path)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case _:
                pass


@pytest.mark.parametrize("path", source.sources(), ids=source.relative)
def test_imports_are_declared(path: Path) -> None:
    """A module imports the standard library, the package itself, and what pyproject.toml declares."""
    foreign = set(_imported(path)) - sys.stdlib_module_names - {"fairdeploy"} - IF_THERE

    undeclared = {
        name
        for name in foreign
        if not {_normal(each) for each in _distributions().get(name, [])} & _declared()
    }

    assert not undeclared, f"declare in pyproject.toml what {source.relative(path)} imports: {undeclared}"
