"""Disks that are full, torn, read-only; programs that race for one target, one of them stopped in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from fairdeploy.errors import FairdeployError, JournalError
from fairdeploy.journal import SQLiteJournal
from fairdeploy.journal.postgres import PostgresJournal
from fairdeploy.model import Command, Progressed, TookOver
from tests.journal.plans import ended, plan
from tests.journal.programs import child, last_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.model import Event
    from fairdeploy.protocols import Journal, Lease

pytestmark = pytest.mark.anyio

STEP = Progressed(step="x", message="y")


@pytest.fixture
def anyio_backend() -> str:
    """Run on one event loop: what is tried here is below it."""
    return "asyncio"


# Disks.


async def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A program that may write no more says so; what it acknowledged before is there, and another goes on."""
    path = tmp_path / "state" / "journal.db"
    script = """
        import resource, signal
        async def main():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            async with opened() as journal:
                lease = await journal.begin("r1", plan(), "me", 1)
                resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
                try:
                    while True:
                        print(await journal.append(lease, Progressed(step="x", message="z" * 5_000)), flush=True)
                except JournalError as error:
                    print(error)
    """
    *seqs, said = (await anyio.to_thread.run_sync(last_words, child(script, str(path)))).splitlines()
    await _goes_on(path, {int(seq) for seq in seqs})

    assert len(seqs) > 5
    assert "the disk is full" in said or "its disk failed" in said


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a file system of half a megabyte, where that is allowed."""
    folder = Path(tempfile.mkdtemp(prefix="fairdeploy-disk-"))
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        )
        if mounted.returncode:
            pytest.skip("only root may mount a small disk; the limit on a file's size is tried in any case")
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        folder.rmdir()


async def test_a_small_disk_that_fills_up_is_gone_on_with_once_there_is_room() -> None:
    """An append that finds no room is refused, leaves nothing, and succeeds when something was removed."""
    with small_disk() as folder:
        ballast = folder / "ballast"
        _write(ballast, b"x" * 100_000)
        async with SQLiteJournal.open(folder / "state" / "journal.db") as journal:
            lease = await journal.begin("r1", plan(), "me", 60_000)
            seqs: set[int] = set()
            with pytest.raises(JournalError, match="the disk is full: free some space and call again"):
                await _fill_up(journal, lease, seqs)
            assert seqs <= {event.seq for event in await journal.read()}
            _remove(ballast)
            seqs.add(await journal.append(lease, STEP))
            assert [event.seq for event in await journal.read()] == list(range(1, len(seqs) + 2))


async def _fill_up(journal: Journal, lease: Lease, seqs: set[int]) -> None:
    while True:
        seqs.add(await journal.append(lease, Progressed(step="x", message="z" * 5_000)))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _remove(path: Path) -> None:
    path.unlink()


async def test_a_torn_log_opens_or_refuses_and_never_loses_what_came_before(tmp_path: Path) -> None:
    """Cut at every page, and amid pages, the log gives back a whole beginning of what was committed."""
    kept = await anyio.to_thread.run_sync(_killed, tmp_path / "killed" / "journal.db")
    log = _size(kept.with_name("journal.db-wal"))
    seen: list[int] = []
    for number, size in enumerate(sorted({*range(32, log, 4_096 + 24), *range(0, log, 10_007), log})):
        torn = await anyio.to_thread.run_sync(_copy, kept, tmp_path / str(number), "journal.db-wal", size)
        seen.append(len(await _beginning(torn)))

    assert seen == sorted(seen)
    assert seen[-1] > 20


async def test_a_torn_file_is_refused_by_name(tmp_path: Path) -> None:
    """Cut at every page, the file is said to be damaged: no part of it is taken for the whole."""
    kept = await anyio.to_thread.run_sync(_closed, tmp_path / "closed" / "journal.db")
    size = _size(kept)
    whole = await _beginning(
        await anyio.to_thread.run_sync(_copy, kept, tmp_path / "whole", "journal.db", size)
    )
    assert len(whole) > 20
    for cut in range(4_096, size, 4_096):
        torn = await anyio.to_thread.run_sync(_copy, kept, tmp_path / str(cut), "journal.db", cut)
        with pytest.raises(JournalError, match=f"{torn}.*(damaged|is a database, but not)") as refused:
            await _beginning(torn)
        assert not refused.value.retryable


async def _beginning(path: Path) -> tuple[Event, ...]:
    """Return what a journal holds: positions without a gap; and it goes on, if it has begun."""
    async with SQLiteJournal.open(path) as journal:
        events = await journal.read()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        if events:
            lease = await journal.take("r1", "me", 60_000, reason="torn")
            assert await journal.append(lease, STEP) == len(events) + 2
        return events


def _size(path: Path) -> int:
    return path.stat().st_size


def _killed(path: Path) -> Path:
    """Return the journal of a program that was killed amid appends, with its log beside it."""
    script = """
        async def main():
            async with opened() as journal:
                lease = await journal.begin("r1", plan(), "victim", 1)
                for _ in range(60):  # what is cut at every page must not grow with the time until the kill
                    print(await journal.append(lease, Progressed(step="x", message="z" * 700)), flush=True)
                await anyio.sleep_forever()
    """
    program = child(script, str(path))
    assert program.stdout is not None
    for _ in range(25):
        program.stdout.readline()
    program.kill()
    last_words(program)
    return path


def _closed(path: Path) -> Path:
    """Return a journal of one file that was closed in order."""
    killed = _killed(path)

    async def close() -> None:
        async with SQLiteJournal.open(killed) as journal:
            await journal.read()

    anyio.run(close)
    assert not killed.with_name("journal.db-wal").exists()
    return killed


def _copy(journal: Path, folder: Path, cut: str, size: int) -> Path:
    """Copy the files of a journal, one of them cut off."""
    folder.mkdir(mode=0o700)
    for each in journal.parent.glob("journal.db*"):
        if not each.name.endswith("-shm"):
            shutil.copy(each, folder)
    os.truncate(folder / cut, size)
    return folder / journal.name


async def test_a_read_only_folder_or_file_is_named_and_left_alone(tmp_path: Path) -> None:
    """Whoever may not write is told so; nothing changes. Root may write anywhere: there it is another user."""
    path = tmp_path / "state" / "journal.db"
    await anyio.to_thread.run_sync(_closed, path)
    before = path.read_bytes()
    script = """
        async def main():
            if os.getuid() == 0:
                os.setuid(65534)
            try:
                async with opened() as journal:
                    await journal.take("r1", "me", 1_000, reason="expired")
            except JournalError as error:
                print(error)
    """
    said = await anyio.to_thread.run_sync(_as_a_stranger, tmp_path, path, script)

    assert "cannot be opened" in said or "read-only" in said or "cannot be made" in said
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _as_a_stranger(tmp_path: Path, path: Path, script: str) -> str:
    path.parent.chmod(0o500)
    path.chmod(0o400)
    try:
        return last_words(child(script, str(path)))
    finally:
        path.parent.chmod(0o700)
        path.chmod(0o600)


async def test_a_file_that_another_program_keeps_locked_is_named(tmp_path: Path) -> None:
    """Not for ever: after five seconds the call says who is to be looked for."""
    path = tmp_path / "state" / "journal.db"
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(
                JournalError, match=f"locked for 5 s by process {os.getpid()}; then"
            ) as refused:
                await journal.append(lease, STEP)
            assert len(await journal.read()) == 1
        assert refused.value.retryable
        assert await journal.append(lease, STEP) == 2


# Programs that race.

RACE = """
    async def main():
        me = sys.argv[2]
        async with opened() as journal:
            print("ready", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.readline)
            try:
                if sys.argv[3] == "begin":
                    lease = await journal.begin(f"r-{me}", plan(), me, 600_000)
                else:
                    lease = await journal.take("r1", me, 600_000, reason="expired")
            except (LeaseHeld, UnknownRollout):
                print("held", flush=True)
                return
            print("mine", flush=True)
            # Shorter from here on, as somebody waits for its end: in the race it must not end before all have tried.
            await anyio.to_thread.run_sync(sys.stdin.readline)
            lease = replace(lease, ttl_ms=1_500)
            try:
                while True:
                    print(await journal.append(lease, Progressed(step=me, message="")), flush=True)
                    lease = await journal.renew(lease)
            except Fenced:
                print("fenced", flush=True)
"""


def opened(address: str) -> AbstractAsyncContextManager[Journal]:
    """Open the journal that an address names."""
    return PostgresJournal.open(address) if "://" in address else SQLiteJournal.open(address)


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a journal of each durable kind."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return str(tmp_path / "state" / "journal.db")


@pytest.mark.parametrize(
    ("programs", "how"),
    [(2, "begin"), (3, "take"), pytest.param(8, "begin", marks=pytest.mark.nightly)],
)
async def test_of_programs_that_race_one_acts_and_one_that_was_stopped_is_fenced(
    address: str, programs: int, how: str
) -> None:
    """One wins. Stopped amid its appends it keeps nobody waiting; continued after a take-over it writes nothing."""
    if how == "take":
        async with opened(address) as journal:
            await journal.begin("r1", plan(), "dead", 1)
    race = [child(RACE, address, f"p{number}", how) for number in range(programs)]
    try:
        winner, rollout = await anyio.to_thread.run_sync(_won, race, how)
        async with opened(address) as journal:
            await _stopped(winner, journal, rollout)
            lease = await _taken(journal, rollout)
            seq = await journal.append(lease, Progressed(step="heir", message=""))
            winner.send_signal(signal.SIGCONT)
            said = (await anyio.to_thread.run_sync(last_words, winner)).splitlines()
            await journal.append(lease, ended(rollout), end=True)
            events = await journal.read(rollout)
    finally:
        for each in race:
            each.kill()
            each.wait()
            for pipe in (each.stdin, each.stdout):
                if pipe is not None:
                    pipe.close()
    assert said[-1] == "fenced"
    assert winner.returncode == 0
    assert [int(line) for line in said[:-1] if int(line) > seq] == []
    writers = [e.record.step for e in events if isinstance(e.record, Progressed)]
    assert len(set(writers)) == 2
    assert writers.index("heir") == len(writers) - 1
    assert sum(isinstance(e.record, TookOver) for e in events) == (2 if how == "take" else 1)


def _won(race: list[subprocess.Popen[str]], how: str) -> tuple[subprocess.Popen[str], str]:
    """Let programs race, and return the one that acts, amid its appends, and its rollout."""
    for each in race:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in race:
        _go(each)
    first = []
    for each in race:
        assert each.stdout is not None
        first.append(each.stdout.readline().strip())
    assert sorted(first) == [*["held"] * (len(race) - 1), "mine"]
    number = first.index("mine")
    acting = race[number]
    _go(acting)
    assert acting.stdout is not None
    for _ in range(10):
        acting.stdout.readline()
    return acting, "r1" if how == "take" else f"r-p{number}"


def _go(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("go\n")
    program.stdin.flush()


async def _stopped(winner: subprocess.Popen[str], journal: Journal, rollout: str) -> None:
    """Stop a program amid its appends.

    SQLite's own lock is held for the moment of a write. A program that is stopped in just that moment is named, with
    what to do about it; here it is continued for a while and stopped again.
    """
    while True:
        winner.send_signal(signal.SIGSTOP)
        try:
            await journal.send(rollout, Command(verb="pause"))
        except JournalError as error:
            assert isinstance(journal, SQLiteJournal)
            assert f"by process {winner.pid}, which is stopped" in str(error)  # noqa: PT017 -- as above
        else:
            return
        winner.send_signal(signal.SIGCONT)
        await anyio.sleep(0.02)


async def _taken(journal: Journal, rollout: str) -> Lease:
    """Take over as soon as the lease has expired."""
    with anyio.fail_after(60):
        while True:
            try:
                return await journal.take(rollout, "heir", 60_000, reason="expired")
            except FairdeployError as error:
                if not error.retryable:
                    raise
            await anyio.sleep(0.05)


async def _goes_on(path: Path, acknowledged: set[int]) -> None:
    """Everything acknowledged is there, without a gap, and the next holder writes on."""
    async with SQLiteJournal.open(path) as journal:
        seqs = [event.seq for event in await journal.read("r1")]
        assert acknowledged <= set(seqs)
        assert seqs == list(range(1, len(seqs) + 1))
        lease = await journal.take("r1", "heir", 60_000, reason="expired")
        await journal.append(lease, ended("r1"), end=True)
