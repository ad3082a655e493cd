"""Running standard suites on what is broken on purpose, as its author would."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["ROOT", "failures_of"]

ROOT = Path(__file__).parents[2]


def failures_of(module: ModuleType, folder: Path, *, seconds: float = 300) -> dict[str, set[str]]:
    """Run all tests of a module in another process, some of which must fail; say by class which did.

    Args:
        module: It holds the suites.
        folder: For the report.
        seconds: For all of them.
    """
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    ran = subprocess.run(
        [*command, "-o", "addopts=--import-mode=importlib", str(module.__file__)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
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
