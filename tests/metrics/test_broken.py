"""A source of metrics that is broken fails by the test that is there for its mistake."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.metrics import broken
from tests.metrics.broken import BROKEN, Plain

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Run the suite on all, as their authors would; say by class which tests failed."""
    report = tmp_path_factory.mktemp("report") / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    ran = subprocess.run(
        [*command, "-o", "addopts=--import-mode=importlib", str(Path(broken.__file__))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout[-2_000:] + ran.stderr[-2_000:]
    failed: dict[str, set[str]] = defaultdict(set)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 -- our own report
        kind = case.attrib["classname"].rpartition(".")[2]
        failed[kind] |= set()
        if case.find("failure") is not None or case.find("error") is not None:
            failed[kind].add(case.attrib["name"].partition("[")[0])
    return dict(failed)


def test_the_plain_one_passes(failures: dict[str, set[str]]) -> None:
    """Every standard test."""
    assert failures["TestPlain"] == set()


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_one_fails(failures: dict[str, set[str]], kind: type[Plain]) -> None:
    """By the test that is there for its mistake."""
    assert BROKEN[kind] in failures[f"Test{kind.__name__}"]
