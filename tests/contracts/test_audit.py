"""The audit of dependencies is never green by silence."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.contracts import source

if TYPE_CHECKING:
    from pathlib import Path

AUDIT = source.ROOT / ".ci" / "audit.py"
CLEAN = {"name": "anyio", "version": "4.12.0", "vulns": []}
SKIPPED = {"name": "trio", "skip_reason": "Dependency not found on PyPI"}
BAD = {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-2025-1", "fix_versions": ["0.16"]}]}


def _audit() -> Any:  # noqa: ANN401 -- a program, loaded by path
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("report", "status", "words"),
    [
        ([CLEAN, CLEAN], 0, "nothing is known about 2 packages"),
        ([CLEAN, SKIPPED], 3, "answered for 1 of 2 packages, not for trio"),
        ([SKIPPED] * 5, 3, "answered for 0 of 5 packages, not for trio, trio, trio and others"),
        ([], 3, "not audited"),
        ([CLEAN, SKIPPED, BAD], 1, "h11 0.1: PYSEC-2025-1, mended in 0.16"),
    ],
)
def test_what_was_not_looked_up_is_not_called_clean(
    report: list[dict[str, object]], status: int, words: str
) -> None:
    """A finding fails, silence is told apart from a clean answer, and a finding counts beside silence."""
    found, sentence = _audit().verdict(report)

    assert found == status
    assert words in sentence


@pytest.mark.parametrize(("more", "status"), [([], 3), (["--required"], 1)])
def test_an_audit_that_cannot_be_made_says_so(tmp_path: Path, more: list[str], status: int) -> None:
    """Here pip-audit is not even installed; where it is required, that is a failure."""
    ran = subprocess.run(
        [sys.executable, "-S", str(AUDIT), str(tmp_path / "none.txt"), *more],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.returncode == status
    assert ran.stdout.startswith("not audited: pip-audit could not look anything up")
