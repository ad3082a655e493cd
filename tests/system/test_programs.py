"""A program is run to its end, or is ended with all that it began."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import anyio
import pytest

from fairdeploy.errors import DeadlineExceeded, FairdeployError, MissingDependency
from fairdeploy.system import run_to_end

pytestmark = pytest.mark.anyio

FAMILY = "import os, sys, time; os.fork(); print(os.getpid(), flush=True); open(sys.argv[1], 'a').write(f'{os.getpid()} '); time.sleep(600)"


def python(code: str, *words: str) -> list[str]:
    """Return how to run a few lines."""
    return [sys.executable, "-c", code, *words]


def family(file: Path) -> list[int]:
    """Return who of a family has written down that it runs."""
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


async def begun(file: Path) -> None:
    """Wait until a family runs, parent and child."""
    with anyio.fail_after(60):
        while len(family(file)) < 2:  # noqa: ASYNC110 -- others write it
            await anyio.sleep(0.01)


async def gone(file: Path) -> None:
    """Wait until nobody of a family runs any more."""
    with anyio.fail_after(60):
        for pid in family(file):
            while _runs(pid):  # noqa: ASYNC110 -- nobody tells of the end of another's child
                await anyio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_what_it_left_is_told_without_secrets() -> None:
    """Its status, all that it printed, and the end of what it said."""
    code = "import sys; print(sys.stdin.read(), 'pass-word'); sys.stderr.write('x' * 99_999 + 'pass-word'); sys.exit(3)"
    ran = await run_to_end(python(code), within=100, given=b"hello", secrets=["pass-word"])

    assert ran.status == 3
    assert ran.printed == "hello ***\n"
    assert ran.said.endswith("***")
    assert len(ran.said) < 70_000
    assert ran.complaint.endswith("***")


async def test_one_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    """Also where nobody waits for it any more."""
    late, left = tmp_path / "late", tmp_path / "left"
    within = 1
    while len(family(late)) < 2:  # on a slow machine a second is too short to begin
        late.unlink(missing_ok=True)
        with pytest.raises(DeadlineExceeded, match="was killed"):
            await run_to_end(python(FAMILY, str(late)), within=within)
        await gone(late)
        within *= 2

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(run_to_end, python(FAMILY, str(left)), within=600))
        await begun(left)
        tasks.cancel_scope.cancel()
    await gone(left)


async def test_one_that_prints_without_end_is_killed() -> None:
    """Its output is bounded: what was cut is not taken for the whole."""
    with pytest.raises(FairdeployError, match="more than 1000 bytes"):
        await run_to_end(python("while True: print('x' * 100)"), within=100, most=1_000)


async def test_one_that_is_not_there_is_told() -> None:
    """By a word of ours."""
    with pytest.raises(MissingDependency, match="'/nowhere/tool' cannot be run"):
        await run_to_end(["/nowhere/tool"], within=1)
