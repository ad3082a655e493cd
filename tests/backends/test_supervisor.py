from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.backends.local import SupervisorKeeper
from fairdeploy.errors import BackendError, StartError, StateError
from fairdeploy.host import _lock
from fairdeploy.host._process import Identity, marked
from fairdeploy.protocols import Program, ProgramState
from tests.backends.local import killed, until
from tests.standstill import stands_still

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

OPENER = """
import sys, anyio
from pathlib import Path
from fairdeploy.backends.local import SupervisorKeeper
from fairdeploy.protocols import Program

async def main():
    keeper = SupervisorKeeper(sys.argv[1], deadline_ms=90_000)
    await keeper.start(Program(name="one", argv=("sleep", "3600"), cwd="/", log=sys.argv[1] + "/one.log"))
    print((await keeper.states())["one"].pid)

anyio.run(main)
"""


def _program(
    folder: Path, name: str, *argv: str, env: dict[str, str] | None = None, grace_ms: int = 3_000
) -> Program:
    log = str(folder / "logs" / f"{name}.log")
    return Program(name=name, argv=argv, cwd=str(folder), log=log, env=env or {}, stop_grace_ms=grace_ms)


def _sleeping(folder: Path, name: str = "one") -> Program:
    return _program(folder, name, "sleep", "3600")


async def _state(keeper: SupervisorKeeper, name: str, fits: Callable[[ProgramState], bool]) -> ProgramState:
    async def look() -> ProgramState:
        return (await keeper.states())[name]

    return await until(look, fits)


async def _pid(keeper: SupervisorKeeper, name: str = "one") -> int:
    found = (await _state(keeper, name, lambda state: state.pid is not None)).pid
    assert found is not None
    return found


async def test_nothing_kept_is_nothing_started(keeper: SupervisorKeeper, folder: Path) -> None:
    """Asking an empty keeper starts no daemon."""
    assert await keeper.states() == {}
    assert not (folder / "supervisord.conf").exists()


async def test_starting_twice_is_starting_once(keeper: SupervisorKeeper, folder: Path) -> None:
    """A program of the same name that is kept already is left as it is."""
    await keeper.start(_sleeping(folder))
    pid = await _pid(keeper)

    await keeper.start(_program(folder, "one", "false"))

    assert await _pid(keeper) == pid


async def test_a_program_has_a_group_of_its_own_in_another_session(
    keeper: SupervisorKeeper, folder: Path
) -> None:
    """What a terminal does to the deployer does not reach a program."""
    await keeper.start(_sleeping(folder))
    pid = await _pid(keeper)

    assert os.getpgid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)


async def test_stopping_ends_the_whole_group(keeper: SupervisorKeeper, folder: Path) -> None:
    """Children that outlive their parent, and would hold its port, are ended too; then nothing is known of it."""
    script = "import os, signal, time\nif not os.fork(): signal.signal(15, signal.SIG_IGN)\ntime.sleep(3600)"
    await keeper.start(_program(folder, "one", sys.executable, "-I", "-S", "-c", script))
    pid = await _pid(keeper)
    mark = keeper._home.mark

    async def group() -> list[int]:
        return marked(mark, group=pid)

    await until(group, lambda found: len(found) == 2)
    await keeper.stop("one")

    assert await group() == []
    assert await keeper.states() == {}
    assert not list((folder / "conf.d").iterdir())


async def test_a_stubborn_program_is_killed_after_its_grace(keeper: SupervisorKeeper, folder: Path) -> None:
    """SIGKILL follows the signal that is ignored."""
    script = (
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(3600)"
    )
    await keeper.start(_program(folder, "one", sys.executable, "-I", "-S", "-c", script, grace_ms=100))
    identity = Identity.of(await _pid(keeper))
    assert identity is not None

    async def log() -> str:
        return (folder / "logs" / "one.log").read_text()

    await until(log, lambda text: "deaf" in text)
    await keeper.stop("one")

    assert not identity.alive


async def test_stopping_the_unknown_does_nothing(keeper: SupervisorKeeper) -> None:
    """An unknown program is no error."""
    await keeper.stop("nobody")

    assert await keeper.states() == {}


async def test_a_killed_program_is_started_again(keeper: SupervisorKeeper, folder: Path) -> None:
    """It has a new process, one restart, and the others go on as they are."""
    await keeper.start(_sleeping(folder))
    await keeper.start(_sleeping(folder, "two"))
    before, other = await _pid(keeper), await _pid(keeper, "two")

    os.kill(before, signal.SIGKILL)
    after = await _state(keeper, "one", lambda state: state.pid not in {None, before})

    assert after.restarts == 1
    assert after.exit_code == -signal.SIGKILL
    assert await _pid(keeper, "two") == other


async def test_a_failing_program_is_tried_again_without_end(keeper: SupervisorKeeper, folder: Path) -> None:
    """It is in backoff between two starts, its exit status is told, and its number of restarts grows."""
    await keeper.start(_program(folder, "one", "sh", "-c", "echo no; exit 3"))

    first = await _state(keeper, "one", lambda state: state.phase == "backoff" and state.restarts >= 1)
    await _state(keeper, "one", lambda state: state.restarts > first.restarts)

    assert first.exit_code == 3
    assert first.pid is None


async def test_a_program_that_runs_once_is_not_started_again(keeper: SupervisorKeeper, folder: Path) -> None:
    """Without ``restart`` an exit is the end."""
    once = Program(
        name="once", argv=("sh", "-c", "exit 7"), cwd="/", log=str(folder / "once.log"), restart=False
    )
    await keeper.start(once)

    ended = await _state(
        keeper, "once", lambda state: state.phase == "exited" and state.exit_code is not None
    )

    assert (ended.exit_code, ended.restarts) == (7, 0)


@pytest.mark.parametrize(
    "odd", ["%(here)s %%", "a ; b # c", "\"'`$HOME`", "line\nbreak", "tab\tand  blanks ", "ünï €", ",=,"]
)
async def test_words_arrive_as_they_were_given(keeper: SupervisorKeeper, folder: Path, odd: str) -> None:
    """Neither supervisor's file format nor any shell changes arguments or environment."""
    code = "import os, sys, json; print(json.dumps([sys.argv[1:], os.environ['ODD']]), flush=True)\nimport time; time.sleep(99)"
    argv = (sys.executable, "-I", "-S", "-c", code, odd, "", "end")
    await keeper.start(_program(folder, "one", *argv, env={"ODD": odd}))

    async def log() -> list[object]:
        path, text = folder / "logs" / "one.log", ""
        if path.exists():
            text = path.read_text()
        return list(json.loads(text)) if text.endswith("\n") else []

    assert await until(log, bool) == [[odd, "", "end"], odd]


async def test_a_later_process_finds_the_same(keeper: SupervisorKeeper, folder: Path) -> None:
    """What a process has started outlives it, and any other finds it."""
    ran = await anyio.run_process([sys.executable, "-c", OPENER, str(folder)])

    assert await _pid(keeper) == int(ran.stdout)


async def test_two_processes_at_once_start_one_daemon(keeper: SupervisorKeeper, folder: Path) -> None:
    """Whoever comes second uses what the first has started."""
    pids: set[bytes] = set()

    async def race() -> None:
        pids.add((await anyio.run_process([sys.executable, "-c", OPENER, str(folder)])).stdout)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(race)

    assert len(pids) == 1
    assert len(marked(keeper._home.mark)) == 2  # the daemon and the program


async def test_a_killed_daemon_leaves_no_doubles(keeper: SupervisorKeeper, folder: Path) -> None:
    """Its orphans end before a new daemon starts the same programs."""
    await keeper.start(_sleeping(folder))
    orphan = Identity.of(await _pid(keeper))
    daemon = await keeper._running()
    assert orphan is not None

    await killed(daemon)
    after = await _pid(keeper)

    assert not orphan.alive
    assert marked(keeper._home.mark) in ([await keeper._running(), after], [after, await keeper._running()])


async def test_a_stopped_holder_of_the_lock_does_not_block_for_ever(folder: Path) -> None:
    """Somebody who holds the lock and does not go on is told of, after the deadline."""
    impatient = SupervisorKeeper(folder, deadline_ms=100)
    async with _lock.held(folder / "lock", seconds=1):
        with pytest.raises(BackendError, match=r"has been held for over .* by process"):
            await impatient.start(_sleeping(folder))


async def test_a_daemon_that_hangs_is_told_of(folder: Path) -> None:
    """One that does not answer is not taken for a dead one: nothing is killed, nothing started."""
    patient, impatient = SupervisorKeeper(folder), SupervisorKeeper(folder, deadline_ms=100)
    await patient.start(_sleeping(folder))
    daemon = await patient._running()
    assert daemon is not None
    os.kill(daemon, signal.SIGSTOP)
    try:
        assert await stands_still(daemon)
        with pytest.raises(BackendError, match="does not answer"):
            await impatient.states()
    finally:
        os.kill(daemon, signal.SIGCONT)
        await patient.shutdown()


@pytest.mark.parametrize("name", ["x" * 120, "blank ; and # and %(here)s", "näme"])
async def test_odd_and_long_folders_work(folder: Path, name: str) -> None:
    """A folder too long for a unix socket, or with characters that mean something to supervisor, is as good."""
    odd = SupervisorKeeper(folder / name)
    try:
        await odd.start(_sleeping(folder / name))
        assert await _pid(odd)
        assert await _pid(SupervisorKeeper(folder / name)) == await _pid(odd)
    finally:
        await odd.shutdown()


async def test_two_folders_do_not_disturb_each_other(keeper: SupervisorKeeper, folder: Path) -> None:
    """The same name in another folder is another program."""
    other = SupervisorKeeper(folder / "other")
    try:
        await keeper.start(_sleeping(folder))
        await other.start(_sleeping(folder / "other"))
        assert await _pid(keeper) != await _pid(other)
    finally:
        await other.shutdown()

    assert (await keeper.states())["one"].phase == "running"


async def test_a_shutdown_is_not_forgetting(keeper: SupervisorKeeper, folder: Path) -> None:
    """After a shutdown nothing runs, and the next call brings back what was kept."""
    await keeper.start(_sleeping(folder))
    await keeper.shutdown()
    assert not marked(keeper._home.mark)

    assert await _pid(keeper)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (Program(name="a b", argv=("true",), cwd="/", log="/nowhere/x.log"), "program name 'a b'"),
        (Program(name="a", argv=(), cwd="/", log="/nowhere/x.log"), "program 'a' has no argv"),
        (Program(name="a", argv=("true",), cwd="/nowhere", log="/nowhere/x.log"), "'/nowhere'"),
        (Program(name="a", argv=("true",), cwd="/", log="x.log"), "log 'x.log'"),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    keeper: SupervisorKeeper, program: Program, message: str
) -> None:
    """The error names the program and what is wrong with it."""
    with pytest.raises(StartError, match=message):
        await keeper.start(program)

    assert await keeper.states() == {}


def test_a_folder_open_to_others_is_refused(folder: Path) -> None:
    """A folder with things in it that others can read is not taken over silently."""
    (folder / "open").mkdir()
    (folder / "open" / "thing").touch()
    (folder / "open").chmod(0o755)

    with pytest.raises(StateError, match="open to others"):
        SupervisorKeeper(folder / "open")


async def test_many_at_once(keeper: SupervisorKeeper, folder: Path) -> None:
    """Programs started at the same time are all kept."""
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(keeper.start, _sleeping(folder, f"p{number}"))

    assert {state.phase for state in (await keeper.states()).values()} == {"running"}
    assert len(await keeper.states()) == 8
