"""A keeper keeps a program that may be done: started again when it fails, not when it has exited with 0."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairdeploy.backends.local import SupervisorKeeper
from fairdeploy.protocols import Program, ProgramState
from tests.backends.local import until

pytestmark = [pytest.mark.anyio, pytest.mark.local]


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[SupervisorKeeper]:
    """Give a keeper whose programs end with the test."""
    found = SupervisorKeeper(tmp_path)
    yield found
    await found.shutdown()


@pytest.mark.parametrize(("status", "phase"), [("0", "exited"), ("3", "running")])
async def test_only_a_failure_is_started_again(
    status: str, phase: str, keeper: SupervisorKeeper, tmp_path: Path
) -> None:
    """The first run lasts longer than a failed start; a second one stays."""
    ran = tmp_path / "ran"
    script = f"test -e {ran} && exec sleep 3600; touch {ran}; sleep 6; exit {status}"
    program = Program(
        name="one",
        argv=("sh", "-c", script),
        cwd=str(tmp_path),
        log=str(tmp_path / "one.log"),
        restart="on-failure",
    )
    await keeper.start(program)

    async def look() -> ProgramState:
        return (await keeper.states())["one"]

    first = (await until(look, lambda state: state.pid is not None)).pid
    after = await until(look, lambda state: state.pid != first)
    assert (await until(look, lambda state: state.phase == phase)).exit_code in {int(status), None}
    assert after.phase in {phase, "exited"}
