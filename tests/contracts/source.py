"""The project's files, as the contracts read them."""

from __future__ import annotations

import ast
import functools
import importlib
import io
import tokenize
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "fairdeploy"
CODE = ("src", "tests", "examples", "benchmarks", "docs/conf.py", "noxfile.py")


@functools.cache
def config() -> dict[str, Any]:  # Any: what a TOML file holds is only known where it is read
    """Read pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def relative(path: Path) -> str:
    """Name a file as it is named in messages and allowlists."""
    return path.relative_to(ROOT).as_posix()


def sources() -> list[Path]:
    """List the modules of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def code() -> list[Path]:
    """List every Python file that the gate checks."""
    roots = [ROOT / name for name in CODE]
    folded = [sorted(root.rglob("*.py")) if root.is_dir() else [root] for root in roots if root.exists()]
    return [path for paths in folded for path in paths]


@functools.cache
def tree(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments of a file with their line numbers; text in strings is none."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def module_name(path: Path) -> str:
    """Say what a source file is imported as."""
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def path_of(module: str) -> Path:
    """Find the source file of a module."""
    stem = SRC.joinpath(*module.split("."))
    return stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")


def module_names() -> list[str]:
    """List the modules that can be imported; `__main__` is a program."""
    return [module_name(path) for path in sources() if path.stem != "__main__"]


def public_names() -> list[str]:
    """List the modules whose names no part begins with an underscore."""
    return [name for name in module_names() if not any(part.startswith("_") for part in name.split("."))]


def load(name: str) -> ModuleType:
    """Import a module of the package."""
    return importlib.import_module(name)


def described_by(module: ModuleType) -> list[str]:
    """Read what a module says that it offers."""
    return list(getattr(module, "__all__", ()))
