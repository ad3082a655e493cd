"""What a systemd keeper must do: run by `test_systemd.py` where a systemd of its own runs."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from fairdeploy.backends.local import LocalBackend, SystemdKeeper
from fairdeploy.backends.local._tail import last
from fairdeploy.errors import StartError
from fairdeploy.host._process import Identity, marked
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Target
from fairdeploy.protocols import Program, ProgramState
from tests.backends.local import FENCE, pid_of, ready, serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def systemd() -> AsyncIterator[SystemdKeeper]:
    """Give a keeper whose units end with the test."""
    with tempfile.TemporaryDirectory(prefix="fd %$é ") as folder:
        keeper = SystemdKeeper(folder, user=True)
        yield keeper
        await keeper.shutdown()
        assert not marked(keeper._mark)


def _program(
    keeper: SystemdKeeper, name: str, *argv: str, restart: bool | Literal["on-failure"] = True
) -> Program:
    log = str(keeper._folder / f"{name}.log")
    return Program(
        name=name,
        argv=argv,
        cwd=str(keeper._folder),
        log=log,
        log_bytes=10_000,
        stop_grace_ms=200,
        restart=restart,
    )


async def _state(keeper: SystemdKeeper, name: str, fits: Callable[[ProgramState], bool]) -> ProgramState:
    async def look() -> ProgramState:
        return (await keeper.states())[name]

    return await until(look, fits)


async def _log(keeper: SystemdKeeper, name: str) -> str:
    path = keeper._folder / f"{name}.log"
    return path.read_text() if path.exists() else ""


async def test_a_program_is_kept_until_it_is_stopped(systemd: SystemdKeeper) -> None:
    """Started once, started again when killed, gone when stopped."""
    name = "api@production@1-ab+c.2"
    program = _program(systemd, name, "sleep", "3600")
    await systemd.start(program)
    await systemd.start(program)
    before = (await _state(systemd, name, lambda state: state.pid is not None)).pid
    assert before is not None

    os.kill(before, signal.SIGKILL)
    after = await _state(systemd, name, lambda state: state.pid not in {None, before, 0})
    assert after.restarts == 1
    await systemd.stop(name)
    await systemd.stop(name)

    assert await systemd.states() == {}
    assert not marked(systemd._mark)


async def test_a_failing_program_is_tried_again(systemd: SystemdKeeper) -> None:
    """Between two starts it is in backoff, with its exit status; its words are in its log."""
    await systemd.start(_program(systemd, "bad", "sh", "-c", "echo $0 '%h $HOME'; exit 3", "word"))

    state = await _state(systemd, "bad", lambda state: state.phase == "backoff" and state.restarts > 0)

    assert state.exit_code == 3
    await until(partial(_log, systemd, "bad"), lambda text: text.startswith("word %h $HOME\n"))


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)])
async def test_a_program_that_runs_once_tells_its_end(
    systemd: SystemdKeeper, command: str, code: int
) -> None:
    """It is not started again, and how it ended stays known."""
    await systemd.start(_program(systemd, "once", "sh", "-c", command, restart=False))

    state = await _state(systemd, "once", lambda state: state.phase == "exited")

    assert (state.exit_code, state.restarts) == (code, 0)


async def test_a_program_that_may_be_done_is_started_again_only_after_a_failure(
    systemd: SystemdKeeper,
) -> None:
    """It fails once, then exits with 0, and stays down with that told."""
    ran = systemd._folder / "ran"
    script = 'test -e "$0" && exit 0; touch "$0"; exit 3'
    program = _program(systemd, "guard", "sh", "-c", script, str(ran), restart="on-failure")
    await systemd.start(program)

    state = await _state(systemd, "guard", lambda state: state.phase == "exited")

    assert (state.exit_code, state.restarts) == (0, 1)


async def test_a_stubborn_program_is_killed_after_its_grace(systemd: SystemdKeeper) -> None:
    """With its children."""
    code = "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nos.fork()\nprint('deaf', flush=True)\ntime.sleep(99)"
    await systemd.start(_program(systemd, "one", sys.executable, "-I", "-S", "-c", code))

    await until(partial(_log, systemd, "one"), lambda text: text.count("deaf") == 2)
    await systemd.stop("one")

    assert not marked(systemd._mark)


async def test_a_log_is_bounded(systemd: SystemdKeeper) -> None:
    """Older words give way to newer ones."""
    await systemd.start(_program(systemd, "loud", "sh", "-c", "seq 1 200000; sleep 3600"))

    async def words() -> tuple[str, ...]:
        return last(systemd._folder / "loud.log", 1)

    await until(words, lambda seen: seen == ("200000",))

    assert sum(path.stat().st_size for path in systemd._folder.glob("loud.log*")) <= 10_000


async def test_after_a_reboot_what_was_kept_is_started(systemd: SystemdKeeper) -> None:
    """Transient units are gone then; the keeper's files are not."""
    await systemd.start(_program(systemd, "one", "sleep", "3600"))
    spec = systemd._spec("one")
    text = spec.read_text()
    await systemd.stop("one")
    spec.write_text(text)
    (systemd._folder / "boot.json").write_text(json.dumps({"boot": "an earlier one"}))

    assert (await systemd.states())["one"].phase == "running"


async def test_what_systemd_refuses_is_told(systemd: SystemdKeeper) -> None:
    """The message has its words."""
    bad = Program(
        name="x", argv=("true",), cwd="/", log=str(systemd._folder / "x.log"), stop_signal="SIGNONE"
    )

    with pytest.raises(StartError, match=r"program 'x' was refused by systemd: .*SIGNONE"):
        await systemd.start(bad)

    assert await systemd.states() == {}


async def test_a_backend_on_systemd(systemd: SystemdKeeper) -> None:
    """Instances come up, come back after a crash, and are removed."""
    with tempfile.TemporaryDirectory(prefix="fd-") as folder:
        target, release = Target("api"), serving()
        async with LocalBackend.open(Path(folder) / "b", keeper=systemd, journal=MemoryJournal()) as backend:
            await backend.ensure(target, release.revision, release, 2, FENCE)
            instances = await ready(backend, target, release, 2)
            identity = Identity.of(await pid_of(instances[0]))
            assert identity is not None
            identity.kill()
            await until(
                lambda: backend.observe(target),
                lambda seen: len(seen.revisions[0].ready) == 2 and seen.revisions[0].ready[0].restarts == 1,
            )
            assert (await backend.tail(target, release.revision, 1))[instances[0].id] == ("serving",)
            await backend.remove(target, release.revision, FENCE)
            assert not marked(systemd._mark)
