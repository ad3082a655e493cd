"""What only the durable journal has to bear: files, disks, processes and crashes."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from fairdeploy.errors import Fenced, InvalidInput, JournalError, LeaseHeld, RecordError
from fairdeploy.journal import SQLiteJournal, codec, database
from fairdeploy.model import Began, Progressed
from fairdeploy.protocols import Lease
from tests.journal.plans import ended, plan
from tests.journal.programs import child, last_words

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

STEP = Progressed(step="x", message="y")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the file of a journal."""
    return tmp_path / "state" / "journal.db"


def _child(script: str, path: Path) -> subprocess.Popen[str]:
    return child(script, str(path))


def _chmod(path: Path, mode: int) -> None:
    path.chmod(mode)


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _remove(path: Path) -> None:
    path.unlink()


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True)


def _make_foreign(path: Path, content: bytes | str) -> None:
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE theirs (x)")
            connection.commit()
    path.chmod(0o600)


# Files.


async def test_it_survives_being_closed(path: Path) -> None:
    """Everything is there after it is opened again, its key included."""
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        await journal.append(lease, STEP)
        before = (await journal.read(), await journal.rollouts(), journal.key)
    async with SQLiteJournal.open(path) as journal:
        assert (await journal.read(), await journal.rollouts(), journal.key) == before
        await journal.append(lease, STEP)


async def test_it_opens_with_its_first_use(path: Path) -> None:
    """A journal that was only named opens itself, and its key is the same either way."""
    journal = SQLiteJournal(path)
    key = journal.key
    await journal.begin("r1", plan(), "me", 60_000)
    await journal.aclose()
    async with SQLiteJournal.open(path) as again:
        assert again.key == key


async def test_closing_twice_is_closing(path: Path) -> None:
    """The second close does nothing; using it afterwards is refused with the remedy."""
    async with SQLiteJournal.open(path) as journal:
        await journal.aclose()
        with pytest.raises(JournalError, match="is closed: open it anew"):
            await journal.read()


async def test_only_its_owner_can_read_it(path: Path) -> None:
    """The file and its helpers have mode 0600, in a folder of mode 0700."""
    async with SQLiteJournal.open(path) as journal:
        await journal.begin("r1", plan(), "me", 60_000)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}


async def test_a_file_open_to_others_is_refused(path: Path) -> None:
    """A journal that others can read is not used; the message says what to run."""
    async with SQLiteJournal.open(path):
        pass
    _chmod(path, 0o640)
    with pytest.raises(JournalError, match=r"mode 640\): run `chmod 600") as caught:
        async with SQLiteJournal.open(path):
            pass
    assert not caught.value.retryable


@pytest.mark.parametrize("content", [b"hello, world\n" * 100, b"\x00\x01", "database"])
async def test_a_foreign_file_is_left_alone(path: Path, content: bytes | str) -> None:
    """What is not a journal is refused, and is byte-equal afterwards with nothing beside it."""
    _make_foreign(path, content)
    before = _bytes(path)
    with pytest.raises(JournalError, match=r"journal\.db' is .*another path") as caught:
        async with SQLiteJournal.open(path):
            pass

    assert _bytes(path) == before
    assert os.listdir(path.parent) == ["journal.db"]  # noqa: PTH208 -- names are all that is asked
    assert not caught.value.retryable


async def test_a_newer_file_is_left_alone(path: Path) -> None:
    """A journal of a later format is refused by name, and is byte-equal afterwards."""
    async with SQLiteJournal.open(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    before = _bytes(path)
    with pytest.raises(JournalError, match=r"format 7, this one knows 2\): upgrade fairdeploy"):
        async with SQLiteJournal.open(path):
            pass
    assert _bytes(path) == before


async def test_every_older_format_is_upgraded_once(path: Path) -> None:
    """Whoever comes first upgrades, of several that come at once; what was there stays, and goes on."""
    for old in range(1, database.FORMAT):
        file = path.with_name(f"{old}.db")
        with closing(database.connect(file, upto=old)) as connection:
            key = database.read_key(connection)
            _begin_as_format_1(connection)
        keys: list[bytes] = []

        async def come(file: Path, keys: list[bytes]) -> None:
            async with SQLiteJournal.open(file) as journal:
                await journal.read()
                keys.append(journal.key)

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(come, file, keys)
        async with SQLiteJournal.open(file) as journal:
            lease = Lease(rollout="r1", epoch=1, holder="me", expires_ms=1, ttl_ms=60_000)
            assert await journal.append(lease, STEP) == 2
            await journal.append(await journal.renew(lease), ended("r1"), end=True)
            assert await journal.forget(["r1"]) == ("r1",)
        assert keys == [key] * 6


def _begin_as_format_1(connection: sqlite3.Connection) -> None:
    """Write what `begin` wrote before there was another format."""
    connection.execute(
        "INSERT INTO rollout (id, targets, plan, began_ms, holder, epoch, expires_ms, parked, due, unfinished)"
        " VALUES ('r1', ?, ?, 1, 'me', 1, 1, 0, '[]', 1)",
        ('["shop/production"]', codec.encode_plan(plan())),
    )
    connection.execute("INSERT INTO lease VALUES ('shop/production', 'r1', 1)")
    connection.execute(
        "INSERT INTO event (rollout, epoch, at_ms, version, record) VALUES ('r1', 1, 1, 1, ?)",
        (codec.encode(Began(plan_hash=plan().hash, holder="me")),),
    )


class _SetWall:
    """A machine whose wall clock somebody sets; the other one runs on."""

    def __init__(self) -> None:
        self.passed = 100.0
        self.set_by = 0.0

    def wall(self) -> float:
        return 1_000_000.0 + self.passed + self.set_by

    def monotonic(self) -> float:
        return self.passed


@pytest.mark.parametrize("seconds", [3_600, -3_600])
async def test_a_clock_that_is_set_neither_ends_a_lease_nor_prolongs_it(path: Path, seconds: float) -> None:
    """What counts is the clock that never jumps; dates are told as the wall clock says them now."""
    clock = _SetWall()
    async with SQLiteJournal.open(path, clock) as mine, SQLiteJournal.open(path, clock) as theirs:
        lease = await mine.begin("r1", plan(), "me", 60_000)
        clock.set_by = seconds
        (info,) = await theirs.rollouts()
        with pytest.raises(LeaseHeld, match=r"for another 60\.0 s"):
            await theirs.take("r1", "you", 60_000, reason="expired")
        clock.passed += 59
        with pytest.raises(LeaseHeld, match=r"for another 1\.0 s"):
            await theirs.take("r1", "you", 60_000, reason="expired")
        clock.passed += 1
        await theirs.take("r1", "you", 60_000, reason="expired")

    assert info.expires_ms == lease.expires_ms + seconds * 1_000


async def test_a_folder_that_cannot_be_made_is_named(path: Path) -> None:
    """A path below a file cannot hold a journal."""
    path.parent.write_text("a file")
    with pytest.raises(JournalError, match=r"cannot be made .*Not a directory|cannot be made .*File exists"):
        async with SQLiteJournal.open(path):
            pass


async def test_a_folder_is_no_journal(path: Path) -> None:
    """A folder in the journal's place is named."""
    _make_folder(path)
    with pytest.raises(JournalError, match="is not a file"):
        async with SQLiteJournal.open(path):
            pass


async def test_a_file_taken_away_is_noticed(path: Path) -> None:
    """Nothing is written into a file that nobody would find again."""
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        _remove(path)
        with pytest.raises(JournalError, match="removed or replaced"):
            await journal.append(lease, STEP)
        with pytest.raises(JournalError, match="removed or replaced"):
            await journal.read()


# Disks.


@pytest.mark.parametrize(
    ("pragma", "message"),
    [("max_page_count = 1", "disk is full: free some space"), ("query_only = ON", "read-only")],
)
async def test_a_write_that_fails_leaves_nothing(path: Path, pragma: str, message: str) -> None:
    """A full or read-only disk is named, nothing is half written, and it goes on once mended."""
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        big = Progressed(step="x", message="y" * 100_000)
        await _set(journal, pragma)
        with pytest.raises(JournalError, match=message):
            await journal.append(lease, STEP, big)
    async with SQLiteJournal.open(path) as journal:
        await journal.append(lease, STEP)

        assert len(await journal.read()) == 2


async def _set(journal: SQLiteJournal, pragma: str) -> None:
    """Do to the writer's connection what a disk might."""

    def act(at: object) -> None:
        connection = at.connection  # type: ignore[attr-defined]  # the inside of the journal
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("BEGIN")
        connection.execute("SAVEPOINT job")

    await journal._writer.ask(act)


async def test_a_locked_file_is_named(path: Path) -> None:
    """A lock that another program keeps becomes an error that says so, and can be tried again."""
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        await _set(journal, "busy_timeout = 20")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalError, match=r"been locked|kept it locked") as caught:
                await journal.append(lease, STEP)
            other.execute("ROLLBACK")
        await journal.append(lease, STEP)

    assert caught.value.retryable


async def test_events_are_only_appended(path: Path) -> None:
    """The file itself refuses to change or drop an event."""
    async with SQLiteJournal.open(path) as journal:
        await journal.begin("r1", plan(), "me", 60_000)
        with closing(sqlite3.connect(path)) as other:
            for statement in ("DELETE FROM event", "UPDATE event SET record = ''"):
                with pytest.raises(sqlite3.IntegrityError, match="only appended"):
                    other.execute(statement)


async def test_a_damaged_record_is_named_not_shown(path: Path) -> None:
    """A record that cannot be understood is named by its number; what it holds stays unseen."""
    async with SQLiteJournal.open(path) as journal:
        await journal.begin("r1", plan(), "me", 60_000)
        for version, text in ((1, '{"kind":"began","hunter2":1}'), (9, "{}")):
            with closing(sqlite3.connect(path)) as other:
                other.execute(
                    "INSERT INTO event (rollout, epoch, at_ms, version, record) VALUES ('r1', 1, 1, ?, ?)",
                    (version, text),
                )
                other.commit()
        with pytest.raises(RecordError, match="record 2 of rollout 'r1' is not a record") as caught:
            await journal.read()
        with pytest.raises(RecordError, match=r"newer fairdeploy .*version 9.*upgrade"):
            await journal.read(since=2)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert not caught.value.retryable


async def test_a_record_that_cannot_be_written_takes_its_append_with_it(path: Path) -> None:
    """What came before it in the same append is undone; appends of others are not."""
    odd = Progressed(step="x", message=object())  # type: ignore[arg-type]  # the point of the test
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.append, lease, STEP)
            with pytest.raises(InvalidInput, match="cannot be recorded"):
                await journal.append(lease, Progressed(step="before", message=""), odd)
        steps = [e.record.step for e in await journal.read() if isinstance(e.record, Progressed)]

    assert steps == ["x"]


async def test_a_target_taken_elsewhere_fences_the_whole_rollout(path: Path) -> None:
    """Each target's own lease is looked at: one that has moved on is enough."""
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan("a", "b"), "me", 60_000)
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE lease SET epoch = 9 WHERE target = 'b/production'")
            other.commit()
        with pytest.raises(Fenced):
            await journal.append(lease, STEP)


# Programs.


async def test_one_of_many_programs_wins(path: Path) -> None:
    """Of programs that begin at the same moment on a fresh file, one gets the target."""
    script = """
        async def main():
            print("ready", flush=True)
            sys.stdin.readline()
            async with SQLiteJournal.open(path) as journal:
                try:
                    lease = await journal.begin(f"r{os.getpid()}", plan(), str(os.getpid()), 60_000)
                    await journal.append(lease, Progressed(step="x", message="won"))
                    print("won")
                except LeaseHeld:
                    print("held")
    """
    answers = await anyio.to_thread.run_sync(_race, script, path, 4)

    assert sorted(answers) == ["held", "held", "held", "won"]
    async with SQLiteJournal.open(path) as journal:
        assert len(await journal.rollouts()) == 1
        assert len(await journal.read()) == 2


def _race(script: str, path: Path, runners: int) -> list[str]:
    children = [_child(script, path) for _ in range(runners)]
    for each in children:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in children:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    answers = [last_words(each).strip() for each in children]
    assert [each.returncode for each in children] == [0] * runners
    return answers


async def test_a_kill_in_the_middle_loses_nothing_acknowledged(path: Path) -> None:
    """After SIGKILL amid appends, every acknowledged one is there, and the rollout can be taken over."""
    script = """
        async def main():
            async with SQLiteJournal.open(path) as journal:
                lease = await journal.begin("r1", plan(), "victim", 60_000)
                async def write(name):
                    while True:
                        print(await journal.append(lease, Progressed(step=name, message="z" * 500)), flush=True)
                async with anyio.create_task_group() as tasks:
                    for name in "abc":
                        tasks.start_soon(write, name)
    """
    acknowledged = await anyio.to_thread.run_sync(_kill_after, script, path, 60)

    async with SQLiteJournal.open(path) as journal:
        seqs = [event.seq for event in await journal.read("r1")]
        with pytest.raises(LeaseHeld, match="'victim'"):
            await journal.begin("r2", plan(), "me", 60_000)
        lease = await journal.take("r1", "me", 60_000, reason="killed", dead="victim")
        await journal.append(lease, ended("r1"), end=True)

    assert len(acknowledged) >= 60
    assert acknowledged <= set(seqs)
    assert seqs == list(range(1, len(seqs) + 1))


def _kill_after(script: str, path: Path, lines: int) -> set[int]:
    program = _child(script, path)
    assert program.stdout is not None
    seen = [program.stdout.readline() for _ in range(lines)]
    program.kill()
    rest = last_words(program)
    complete = [*seen, *(line for line in rest.splitlines(keepends=True) if line.endswith("\n"))]
    return {int(line) for line in complete}


async def test_a_fork_is_told_to_open_its_own(path: Path) -> None:
    """A journal that was opened before a fork is refused in the child, where it would wait for ever."""
    script = """
        import warnings
        warnings.simplefilter("ignore")
        journal = SQLiteJournal(path)
        async def main():
            await journal.read()
        anyio.run(main)
        if os.fork() == 0:
            try:
                anyio.run(main)
            except JournalError as error:
                print(error, flush=True)
            os._exit(0)
        os.wait()
    """
    told = await anyio.to_thread.run_sync(last_words, _child(script, path))

    assert "opened before this process was forked: open it anew" in told


async def test_two_loops_share_a_journal(path: Path) -> None:
    """Tasks of another event loop, in another thread, can use the same object."""
    async with SQLiteJournal.open(path) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)

        async def write() -> None:
            for _ in range(20):
                await journal.append(lease, STEP)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, lambda: anyio.run(write, backend="trio"))
            tasks.start_soon(write)

        assert len(await journal.read()) == 41


async def test_a_forgotten_journal_ends_its_threads(path: Path) -> None:
    """A journal that nobody closed gives its threads back when it is collected."""
    journal = SQLiteJournal(path)
    await journal.read()
    thread = journal._reader._thread
    assert thread is not None
    del journal
    await anyio.to_thread.run_sync(thread.join, 10)

    assert not thread.is_alive()
