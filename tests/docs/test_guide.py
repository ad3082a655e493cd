"""The guide runs: every block of Python in it, in order, against real processes behind a real router."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import anyio
import pytest

from fairdeploy.backends.local import LocalBackend
from tests.contracts import source
from tests.ports import free_port
from tests.proof.stage import stopped

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]

FENCE = re.compile(r"^```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[int, str]]:
    """Return the line and the code of each block of a page."""
    text = (source.ROOT / page).read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start()) + 2, dedent(m["code"])) for m in FENCE.finditer(text)]


async def run(page: str, given: Mapping[str, object], *, here: Mapping[str, str] | None = None) -> None:
    """Run a page's blocks in one namespace, as a notebook would run its cells.

    Args:
        page: Which.
        given: Names that the page does not make.
        here: What the page calls otherwise than it is called here: addresses, folders, versions.
    """
    names: dict[str, object] = {"__name__": "guide", **given}
    for line, code in blocks(page):
        for there, instead in (here or {}).items():
            code = code.replace(there, instead)  # noqa: PLW2901 -- the same block, as it is said here
        # Blank lines in front, so that a traceback names the page's own lines.
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compiled = compile("\n" * (line - 1) + code, page, "exec", flags=flags, dont_inherit=True)
        result = eval(compiled, names)  # noqa: S307 -- our own page
        if inspect.iscoroutine(result):
            await result


async def test_the_guide_runs(tmp_path: Path) -> None:
    """Every block of the guide runs, in the order of the page."""
    folder = tmp_path / "deployments"
    async with LocalBackend.open(folder) as backend, stopped(folder):
        await run("docs/guide.md", {"backend": backend, "port": free_port()})


async def test_the_readme_runs(tmp_path: Path) -> None:
    """The README's program runs as it stands, but for a port that is free here, and says how it ended."""
    ((_, code),) = blocks("README.md")
    program = tmp_path / "program.py"
    program.write_text(code.replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}"), encoding="utf-8")
    async with stopped(tmp_path / "deployments"):
        ended = await anyio.run_process(
            [sys.executable, str(program)], cwd=tmp_path, stderr=subprocess.STDOUT
        )
    assert "promoted after" in ended.stdout.decode()
