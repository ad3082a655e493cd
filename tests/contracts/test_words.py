"""What is published is finished."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.contracts import source

if TYPE_CHECKING:
    from pathlib import Path

MARKERS = ("TO-DO", "FIX-ME", "XX-X", "TB-D", "WI-P", "lorem-ipsum")
"""Written with a hyphen, so that this file passes its own test."""
UNFINISHED = re.compile(r"\b(" + "|".join(word.replace("-", "") for word in MARKERS) + r")\b", re.IGNORECASE)
SKIPPED = {"_build", "__pycache__"}


def _texts() -> list[Path]:
    """List what a reader may open: prose and code."""
    prose = [
        *source.ROOT.glob("*.md"),
        *source.ROOT.glob("docs/**/*.md"),
        *source.ROOT.glob("changelog.d/*.md"),
    ]
    return sorted(path for path in [*prose, *source.code()] if not SKIPPED & set(path.parts))


@pytest.mark.parametrize("path", _texts(), ids=source.relative)
def test_nothing_is_marked_unfinished(path: Path) -> None:
    """No file holds a marker of work that is still to be done."""
    lines = path.read_text(encoding="utf-8").splitlines()

    assert not [f"{number}: {line}" for number, line in enumerate(lines, 1) if UNFINISHED.search(line)]


def test_every_changelog_fragment_has_a_known_kind() -> None:
    """Towncrier would pass over a fragment whose kind it does not know."""
    kinds = {each["directory"] for each in source.config()["tool"]["towncrier"]["type"]}
    fragments = [path for path in (source.ROOT / "changelog.d").iterdir() if path.name != "README.md"]

    assert not [
        path.name for path in fragments if path.name.split(".")[1:] not in [[kind, "md"] for kind in kinds]
    ]
