"""A program that is stopped in the middle of a write to an SQLite journal keeps nobody out."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from fairdeploy.errors import LeaseHeld
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Command, Progressed
from fairdeploy.system import Lock
from tests.journal.programs import child, last_words
from tests.standstill import stands_still, stopped_holding

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from fairdeploy.protocols import Lease

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]


@pytest.fixture
def anyio_backend() -> str:
    """Run on one event loop: what is tried here is below it."""
    return "asyncio"


WRITER = """
    async def main():
        async with opened() as journal:
            lease = await journal.begin("r1", plan(), "writer", 1_500)
            print("began", flush=True)
            try:
                while True:
                    await journal.append(lease, Progressed(step="writer", message=""))
                    lease = await journal.renew(lease)
            except Fenced:
                print("fenced", flush=True)
"""


def lock_of(path: Path) -> Lock:
    """Return what whoever writes to a journal holds."""
    return Lock(path.with_name(f"{path.name}-shm"), "POSIX", 120, 122)


async def writing(path: Path, script: str = WRITER) -> subprocess.Popen[str]:
    """Start a program that appends without end."""
    program = child(script, str(path))
    assert program.stdout is not None
    assert await anyio.to_thread.run_sync(program.stdout.readline) == "began\n"
    return program


async def taken(journal: SQLiteJournal) -> Lease:
    """Take over as soon as the lease has expired; no other refusal is put up with."""
    with anyio.fail_after(60):
        while True:
            try:
                return await journal.take("r1", "heir", 60_000, reason="expired")
            except LeaseHeld:
                await anyio.sleep(0.05)


async def test_a_take_over_is_not_blocked_by_a_writer_that_is_stopped(tmp_path: Path) -> None:
    """It is let run for as long as it needs to end its write, stands still again, and is fenced when it wakes."""
    path = tmp_path / "state" / "journal.db"
    program = await writing(path)
    try:
        async with SQLiteJournal.open(path) as journal:
            await stopped_holding(program.pid, lock_of(path))
            await journal.send("r1", Command(verb="pause"))  # whoever else writes is kept out as little
            assert await stands_still(program.pid)
            os.kill(program.pid, signal.SIGCONT)
            await stopped_holding(program.pid, lock_of(path))
            lease = await taken(journal)
            assert await stands_still(program.pid)
            seq = await journal.append(lease, Progressed(step="heir", message=""))
            os.kill(program.pid, signal.SIGCONT)
            said = await anyio.to_thread.run_sync(last_words, program)
            events = await journal.read("r1")
    finally:
        program.kill()
        program.wait()
    assert said == "fenced\n"
    assert events[-1].seq == seq


DEPLOYER = """
    from fairdeploy.engine.control import Control
    from fairdeploy.engine.tenure import Tenure
    from fairdeploy.journal.clock import SystemClock

    async def main():
        async with opened() as journal:
            lease = await journal.begin("r1", plan(), "deployer", 1_000)
            tenure = Tenure(journal, lease, SystemClock(), Control())
            print("began", flush=True)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(tenure.keep)
                    while True:
                        await tenure.append(Progressed(step="deployer", message=""))
                        await anyio.sleep(0.01)
            except* Fenced:
                print("fenced", flush=True)
"""


async def test_who_stood_still_for_longer_than_its_lease_does_not_renew_it(tmp_path: Path) -> None:
    """Let run to end its write, a deployer whose lease is over leaves it to who waits: the first attempt takes it."""
    path = tmp_path / "state" / "journal.db"
    program = await writing(path, DEPLOYER)
    try:
        async with SQLiteJournal.open(path) as journal:
            await stopped_holding(program.pid, lock_of(path))
            await anyio.sleep(1.5)  # its lease
            assert (await journal.take("r1", "heir", 60_000, reason="expired")).epoch == 2
            os.kill(program.pid, signal.SIGCONT)
            said = await anyio.to_thread.run_sync(last_words, program)
    finally:
        program.kill()
        program.wait()
    assert said == "fenced\n"


async def test_a_journal_can_be_opened_while_its_writer_is_stopped(tmp_path: Path) -> None:
    """The next program opens it, reads and writes."""
    path = tmp_path / "state" / "journal.db"
    program = await writing(path)
    try:
        await stopped_holding(program.pid, lock_of(path))
        async with SQLiteJournal.open(path) as journal:
            assert (await taken(journal)).epoch == 2
        assert await stands_still(program.pid)
    finally:
        program.kill()
        last_words(program)


@pytest.fixture
def strange() -> Iterator[Path]:
    """Give a folder that another user may enter, too."""
    if os.getuid() != 0:
        pytest.skip("only root has processes that another user of the same file may not continue")
    folder = Path(tempfile.mkdtemp(prefix="fairdeploy-still-"))
    yield folder
    shutil.rmtree(folder)


def hand_over(folder: Path) -> None:
    """Give a folder to the user nobody."""
    for each in (folder, *folder.iterdir()):
        os.chown(each, 65534, 65534)


async def test_who_may_not_continue_it_is_told_whom_to_continue(strange: Path) -> None:
    """Another user's process is left alone: the error has its number, that it is stopped, and what to do."""
    path = strange / "journal.db"
    program = await writing(path)
    script = """
        async def main():
            os.setuid(65534)
            try:
                async with opened() as journal:
                    await journal.take("r1", "heir", 60_000, reason="expired")
            except JournalError as error:
                print(error.retryable, error)
    """
    try:
        hand_over(strange)
        await stopped_holding(program.pid, lock_of(path))
        said = await anyio.to_thread.run_sync(last_words, child(script, str(path)))
        assert await stands_still(program.pid)
    finally:
        program.kill()
        last_words(program)
    assert said.startswith("True journal"), said
    assert f"locked for 5 s by process {program.pid}, which is stopped: continue it with `kill -CONT" in said
