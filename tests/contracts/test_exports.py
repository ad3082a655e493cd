"""What a module offers is what its `__all__` says: nothing missing, nothing more."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.contracts import source

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC = source.public_names()


def _targets(node: ast.stmt) -> list[ast.expr]:
    """List what a statement assigns; a type variable is nobody's to import."""
    match node:
        case ast.Assign(value=ast.Call(func=ast.Name(id="ParamSpec" | "TypeVar" | "TypeVarTuple"))):
            return []
        case ast.Assign(targets=targets):
            return targets
        case ast.AnnAssign(target=target):
            return [target]
        case _:
            return []


def _defined(module: ast.Module, *, package: bool) -> Iterator[str]:
    """Yield the names that a module makes public by its own top-level statements.

    A package also makes public what it takes from its own modules; what is imported for types only is in a
    block of its own and so is not seen.
    """
    for node in module.body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ImportFrom(module=str(origin), names=names) if package and origin.startswith(
                "fairdeploy"
            ):
                yield from (alias.asname or alias.name for alias in names)
            case _:
                yield from (target.id for target in _targets(node) if isinstance(target, ast.Name))


def _order(name: str) -> tuple[int, str]:
    """Sort as ruff's RUF022 does: constants, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("name", PUBLIC)
def test_exports_are_complete(name: str) -> None:
    """A public name that a module defines is in its `__all__`."""
    path = source.path_of(name)
    defined = set(_defined(source.tree(path), package=path.stem == "__init__"))
    public = {each for each in defined if not each.startswith("_")}

    missing = public - set(source.described_by(source.load(name)))

    assert not missing, f"{name}: add to `__all__`, or begin with an underscore: {sorted(missing)}"


@pytest.mark.parametrize("name", PUBLIC)
def test_exports_exist(name: str) -> None:
    """A name in `__all__` can be had from the module, lazily or not."""
    module = source.load(name)

    for each in source.described_by(module):
        getattr(module, each)


@pytest.mark.parametrize("name", PUBLIC)
def test_exports_are_sorted_and_said_once(name: str) -> None:
    """`__all__` is in order, without repetition."""
    offered = source.described_by(source.load(name))

    assert offered == sorted(set(offered), key=_order)
