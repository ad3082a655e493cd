"""A check that is silenced says which, and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.contracts import source

if TYPE_CHECKING:
    from pathlib import Path

REASON = r"\s*(--?|#|:)?\s*[`\w].{7,}"
SILENCERS = {
    r"#\s*noqa": rf"# noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*{REASON}",
    r"#\s*ruff:": rf"# ruff: noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*{REASON}",
    r"#\s*type:\s*ignore": rf"# type: ignore\[[\w, -]+\]  #{REASON}",
    r"#\s*pyright:": rf"# pyright: ignore\[[\w, ]+\]  #{REASON}",
    r"#\s*mypy:": r"$^",
    r"#\s*pragma:": rf"# pragma: no (cover|branch){REASON}",
    r"#\s*fmt:": rf"# fmt: (off|on|skip){REASON}",
}
"""How a comment that silences a check begins, and how it must read. Nothing silences mypy for a file."""


def _silent(comment: str) -> list[str]:
    """Name the silencers in a comment that lack a code or a reason."""
    return [
        begins
        for begins, form in SILENCERS.items()
        for found in re.finditer(begins, comment)
        if not re.match(form, comment[found.start() :])
    ]


@pytest.mark.parametrize(
    ("comment", "accepted"),
    [
        ("# noqa: BLE001 -- a check may raise anything: it is the verdict `error`", True),
        ("# noqa: S603, S607 -- argv is ours", True),
        ("# type: ignore[arg-type]  # the point of the test", True),
        ("# pyright: ignore[reportArgumentType]  # the point of the test", True),
        ("# noqa", False),
        ("# noqa: BLE001", False),
        ("# type: ignore", False),
        ("# type: ignore[arg-type]", False),
        ("# a comment about noqa", True),
    ],
)
def test_the_rule(comment: str, accepted: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """A silencer needs its code and a reason behind it."""
    assert bool(_silent(comment)) is not accepted


@pytest.mark.parametrize("path", source.code(), ids=source.relative)
def test_silenced_checks_have_a_reason(path: Path) -> None:
    """Each `noqa`, `type: ignore` and the like names its code, and says why."""
    guilty = [f"{source.relative(path)}:{line}" for line, text in source.comments(path) if _silent(text)]

    assert not guilty
