"""What only the journal of several machines has to bear: servers, connections, lost answers."""

from __future__ import annotations

import time
import traceback
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from fairdeploy.errors import Fenced, InvalidInput, JournalError, LeaseHeld, Unbound
from fairdeploy.journal.postgres import PostgresJournal
from fairdeploy.journal.postgres.address import Address
from fairdeploy.journal.postgres.link import Link
from fairdeploy.journal.postgres.reading import Reader
from fairdeploy.journal.postgres.schema import FORMAT, upgrade
from fairdeploy.model import Command, Progressed, SecretRef, TookOver
from tests.journal.plans import plan
from tests.journal.programs import Way, child, last_words, way
from tests.postgres import PASSWORD, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Binaries, PostgresServer

pytestmark = pytest.mark.anyio

STEP = Progressed(step="x", message="y")
LONG = 600_000


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the driver does."""
    return "asyncio"


def database(postgres: str) -> str:
    """Return a database's name from its DSN."""
    return postgres.partition("?")[0].rpartition("/")[2]


# Who may come in, and what is told of it.


async def test_a_password_is_never_shown(postgres_server: PostgresServer, postgres: str) -> None:
    """Neither in `uri` nor `repr`, nor in an error with all that is behind it and its frames' variables."""
    right = postgres_server.tcp(database(postgres))
    async with PostgresJournal.open(right) as journal:
        assert PASSWORD not in journal.uri + repr(journal) + str(vars(journal))
    wrong = right.replace(PASSWORD, "hunter2-of-mine")
    with pytest.raises(JournalError, match="does not let us in") as refused:
        async with PostgresJournal.open(wrong):
            pass
    shown = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    ours = "".join(line for line in shown.format() if "hunter2" in line and "test_postgres.py" not in line)
    assert "hunter2" not in str(refused.value)
    assert "asyncpg/" not in ours
    assert not refused.value.retryable


async def test_a_password_is_found_where_the_uri_says(
    postgres_server: PostgresServer, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a variable or a file, each time anew; another program needs the URI only."""
    monkeypatch.setenv("JOURNAL_PASSWORD", PASSWORD)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    dsn = postgres_server.tcp(database(postgres)).replace(f":{PASSWORD}", "")
    for secret in (SecretRef.env("JOURNAL_PASSWORD"), SecretRef.file(tmp_path / "password")):
        async with PostgresJournal.open(dsn, password=secret, schema="mine") as journal:
            uri, key = journal.uri, journal.key
        async with PostgresJournal.open(uri) as again:
            assert (again.key, again.uri) == (key, uri)
        assert PASSWORD not in uri
    monkeypatch.delenv("JOURNAL_PASSWORD")
    with pytest.raises(Unbound, match="'JOURNAL_PASSWORD' is not set"):
        async with PostgresJournal.open(dsn, password=SecretRef.env("JOURNAL_PASSWORD")):
            pass


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("sqlite:///srv/secret", r"begins with postgresql://.*scheme 'sqlite'"),
        ("secret", "begins with postgresql://"),
        ("postgresql://u@h/d?fairdeploy_schema=secret-", "is no name for a journal's tables"),
        ("postgresql://u@h/d?fairdeploy_password=vault:secret", "env:VARIABLE or file:/absolute/path"),
    ],
)
def test_a_wrong_dsn_is_named(dsn: str, message: str) -> None:
    """What is no address of a journal is refused before anybody is asked."""
    with pytest.raises(InvalidInput, match=message):
        Address.of(dsn)


async def test_wrong_arguments_are_named(postgres: str) -> None:
    """So many connections, or two schemas, are refused."""
    for connections, patience in ((0, 1.0), (101, 1.0), (1, -1.0), (1, 61.0)):
        with pytest.raises(InvalidInput, match=r"must be [01] to"):
            async with PostgresJournal.open(postgres, connections=connections, patience=patience):
                pass
    with pytest.raises(InvalidInput, match="say it once"):
        Address.of("postgresql://u@h/d?fairdeploy_schema=a", schema="b")


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_is_told_to_use_another(postgres: str) -> None:
    """The driver knows asyncio only; the message says what to use."""
    with pytest.raises(InvalidInput, match=r"asyncio only.*use SQLiteJournal on trio"):
        async with PostgresJournal.open(postgres):
            pass


async def test_a_server_that_is_not_there_is_named(postgres: str) -> None:
    """No socket, no database: the message says which journal and what to check."""
    for dsn, message in (
        ("postgresql://u@/d?host=/nowhere", "cannot be reached"),
        (postgres.replace(database(postgres), "nothing"), "no such database: create it"),
    ):
        with pytest.raises(JournalError, match=message):
            async with PostgresJournal.open(dsn):
                pass


async def test_a_closed_journal_says_so(postgres: str) -> None:
    """Closed twice is closed; used afterwards, it says to open it anew."""
    async with PostgresJournal.open(postgres) as journal:
        await journal.aclose()
        await journal.aclose()
        for call in (journal.read(), journal.begin("r1", plan(), "me", LONG)):
            with pytest.raises(JournalError, match="is closed: open it anew"):
                await call


async def test_another_event_loop_is_told_to_open_its_own(postgres: str) -> None:
    """Connections belong to one loop."""
    async with PostgresJournal.open(postgres) as journal:
        with pytest.raises(JournalError, match="another event loop: open it anew"):
            await anyio.to_thread.run_sync(lambda: anyio.run(journal.read))


# Tables.


async def test_other_tables_are_left_alone(postgres_server: PostgresServer, postgres: str) -> None:
    """A schema that holds something else is refused, and nothing is made in it."""
    name = database(postgres)
    postgres_server.sql("CREATE SCHEMA fairdeploy; CREATE TABLE fairdeploy.mine ()", name)
    with pytest.raises(JournalError, match="holds other tables than a journal's") as refused:
        async with PostgresJournal.open(postgres):
            pass
    tables = postgres_server.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'fairdeploy'::regnamespace", name
    )

    assert tables == "mine\n"
    assert not refused.value.retryable


async def test_a_newer_journal_is_left_alone(postgres_server: PostgresServer, postgres: str) -> None:
    """A later format is refused by name, and stays."""
    name = database(postgres)
    async with PostgresJournal.open(postgres):
        pass
    postgres_server.sql("UPDATE fairdeploy.journal SET format = 77", name)
    with pytest.raises(JournalError, match=r"format 77, this one knows \d+\): upgrade fairdeploy"):
        async with PostgresJournal.open(postgres):
            pass
    assert postgres_server.sql("SELECT format FROM fairdeploy.journal", name) == "77\n"


async def test_a_journal_open_to_everybody_is_refused(postgres_server: PostgresServer, postgres: str) -> None:
    """The message says what to run."""
    name = database(postgres)
    async with PostgresJournal.open(postgres):
        pass
    postgres_server.sql("GRANT USAGE ON SCHEMA fairdeploy TO PUBLIC", name)
    with pytest.raises(JournalError, match="run `REVOKE ALL ON SCHEMA fairdeploy FROM PUBLIC`"):
        async with PostgresJournal.open(postgres):
            pass


async def test_tables_of_every_older_format_are_upgraded_once(postgres: str) -> None:
    """Whoever comes first upgrades, of several that come at once; what was there stays."""
    for old in range(1, FORMAT):
        address = Address.of(postgres, schema=f"old_{old}")
        link = Link(address, 1)
        async with link.connection() as connection:
            key = await upgrade(connection, address.schema, upto=old)
        await link.aclose()
        keys: set[bytes] = set()

        async def come(schema: str, keys: set[bytes]) -> None:
            async with PostgresJournal.open(postgres, schema=schema) as journal:
                keys.add(journal.key)
                await journal.read()

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(come, address.schema, keys)
        async with PostgresJournal.open(postgres, schema=address.schema) as journal:
            lease = await journal.begin("r1", plan(), "me", LONG)
            assert await journal.append(lease, STEP) == 2
        assert keys == {key}


async def test_many_programs_make_the_tables_at_once(postgres: str) -> None:
    """Of programs that come first at the same moment, one makes them, and one gets the target."""
    script = """
        async def main():
            print("ready", flush=True)
            sys.stdin.readline()
            async with opened() as journal:
                try:
                    lease = await journal.begin(f"r{os.getpid()}", plan(), str(os.getpid()), 60_000)
                    await journal.append(lease, Progressed(step="x", message="won"))
                    print("won")
                except LeaseHeld:
                    print("held")
    """

    def race() -> list[str]:
        programs = [child(script, postgres) for _ in range(4)]
        for each in programs:
            assert each.stdout is not None
            assert each.stdin is not None
            assert each.stdout.readline() == "ready\n"
        for each in programs:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        return sorted(last_words(each).strip() for each in programs)

    assert await anyio.to_thread.run_sync(race) == ["held", "held", "held", "won"]


async def test_events_are_only_appended(postgres_server: PostgresServer, postgres: str) -> None:
    """The tables themselves refuse to change or drop an event, or a rollout that is unfinished."""
    async with PostgresJournal.open(postgres) as journal:
        await journal.begin("r1", plan(), "me", LONG)
    for statement in ("DELETE FROM event", "UPDATE event SET record = ''", "DELETE FROM rollout"):
        with pytest.raises(AssertionError, match=r"only appended|unfinished is kept"):
            postgres_server.sql(f"SET search_path = fairdeploy; {statement}", database(postgres))


# Answers that are lost.


@pytest.mark.parametrize("for_good", [False, True], ids=["cut", "gone"])
async def test_what_was_written_before_its_answer_was_lost_is_not_written_twice(
    postgres_server: PostgresServer,
    postgres: str,
    for_good: bool,  # noqa: FBT001 -- by pytest
) -> None:
    """The call finds its own records when the way is there again; the same call later does too."""
    wanted = Progressed(step="x", message="the one to lose")
    async with way(postgres_server.port) as through:  # noqa: SIM117 -- the second needs the first
        async with PostgresJournal.open(
            _through(postgres_server, postgres, through), patience=0.5 if for_good else 60
        ) as journal:
            lease = await journal.begin("r1", plan(), "me", LONG)
            through.lose, through.for_good = b"the one to lose", for_good
            if for_good:
                with pytest.raises(JournalError, match="cannot be reached") as lost:
                    await journal.append(lease, wanted)
                assert lost.value.retryable
                through.shut = False
            assert await journal.append(lease, wanted) == 2
            assert await journal.append(lease, wanted) == 3
            records = [event.record for event in await journal.read("r1", since=1)]

    assert through.lost == 1
    assert records == [wanted, wanted]


def _through(server: PostgresServer, postgres: str, through: Way) -> str:
    return server.tcp(database(postgres)).replace(f":{server.port}/", f":{through.port}/")


async def test_begin_take_and_send_are_not_done_twice_either(
    postgres_server: PostgresServer, postgres: str
) -> None:
    """Each is known again by what it wrote; a lease that was granted is handed out."""
    async with way(postgres_server.port) as through:  # noqa: SIM117 -- the second needs the first
        async with PostgresJournal.open(_through(postgres_server, postgres, through), patience=60) as journal:
            through.lose = b"holder-one"
            first = await journal.begin("r1", plan(), "holder-one", LONG)
            through.lose = b"holder-two"
            second = await journal.take("r1", "holder-two", LONG, reason="dead", dead="holder-one")
            through.lose = b"word-three"
            sent = await journal.send("r1", Command(verb="pause", reason="word-three"))
            events = await journal.read()

    assert through.lost == 3
    assert (first.epoch, second.epoch, sent) == (1, 2, 3)
    assert [event.record.kind for event in events] == ["began", "took_over", "command"]


# Servers that end.


async def test_a_restart_in_the_middle_is_waited_for(postgres_binaries: Binaries) -> None:
    """A server that goes and comes back within seconds is no error to those who write and read."""
    with started(postgres_binaries) as server:
        async with PostgresJournal.open(server.dsn(), patience=60) as journal:
            lease = await journal.begin("r1", plan(), "me", LONG)
            await anyio.to_thread.run_sync(server.stop)
            seqs: list[int] = []

            async def write(number: int) -> None:
                seqs.append(await journal.append(lease, Progressed(step=str(number), message="")))

            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(write, number)
                await anyio.to_thread.run_sync(server.start)
            assert sorted(seqs) == list(range(2, 12))
            await anyio.to_thread.run_sync(server.restart)
            assert len(await journal.read()) == 11
            await journal.renew(lease)


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_server_that_ends_amid_eight_writers_loses_and_doubles_nothing(
    postgres_binaries: Binaries, how: str
) -> None:
    """What was acknowledged is there, once, in order, and positions have no gap."""
    acknowledged: dict[str, list[int]] = {}
    refused: list[JournalError] = []
    news = [anyio.Event()]

    async def write(dsn: str, number: int, until: anyio.Event) -> None:
        async with PostgresJournal.open(dsn) as journal:
            lease = await journal.begin(f"r{number}", plan(f"app{number}"), "me", LONG)
            mine = acknowledged[lease.rollout] = []
            while not until.is_set():
                try:
                    mine.append(await journal.append(lease, Progressed(step=str(len(mine)), message="")))
                except JournalError as error:
                    refused.append(error)
                news.append(anyio.Event())
                news.pop(0).set()

    def many(more: int) -> bool:
        return len(acknowledged) == 8 and sum(map(len, acknowledged.values())) >= more

    with started(postgres_binaries) as server:
        async with anyio.create_task_group() as tasks:
            enough = anyio.Event()
            for number in range(8):
                tasks.start_soon(write, server.dsn(), number, enough)
            for more in (80, 160, 240):
                while not many(more):
                    await news[0].wait()
                if more < 240:
                    await anyio.to_thread.run_sync(server.stop if how == "stopped" else server.kill)
                    await anyio.to_thread.run_sync(server.start)
            enough.set()
        async with PostgresJournal.open(server.dsn()) as journal:
            events = await journal.read()

    assert all(error.retryable for error in refused)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for rollout, seqs in acknowledged.items():
        written = [
            (e.seq, e.record.step)
            for e in events
            if e.rollout == rollout and isinstance(e.record, Progressed)
        ]
        assert written == [(seq, str(place)) for place, seq in enumerate(seqs)]


async def test_a_full_or_read_only_server_is_named(postgres_server: PostgresServer, postgres: str) -> None:
    """A database that takes no writes says so, and is read on."""
    async with PostgresJournal.open(postgres) as journal:
        lease = await journal.begin("r1", plan(), "me", LONG)
    name = database(postgres)
    postgres_server.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with PostgresJournal.open(postgres) as journal:
        with pytest.raises(JournalError, match="it is read-only, such as a replica"):
            await journal.append(lease, STEP)
        assert len(await journal.read()) == 1
    postgres_server.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")


# Time.


async def test_an_expiry_is_told_by_the_readers_clock(postgres: str) -> None:
    """A machine whose clock is an hour off sees a live lease live, and a dead one dead."""
    async with PostgresJournal.open(postgres) as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        link = Link(Address.of(postgres), 1)
        for hour in (-3_600, 3_600):
            (info,) = await Reader(link, 0, partial(_wall, hour)).infos(None, unfinished=True)
            assert abs(info.expires_ms - lease.expires_ms - hour * 1_000) < 60_000
        await link.aclose()
        with pytest.raises(LeaseHeld):
            await journal.take("r1", "you", 60_000, reason="my clock says so")


def _wall(ahead: float) -> float:
    return time.time() + ahead


async def test_what_another_epoch_wrote_meanwhile_fences(postgres: str) -> None:
    """A take-over between a look and its write is seen by the write."""
    async with PostgresJournal.open(postgres) as one, PostgresJournal.open(postgres) as two:
        lease = await one.begin("r1", plan(), "me", LONG)
        outcome: list[str] = []

        async def write() -> None:
            try:
                while True:
                    await one.append(lease, STEP)
            except Fenced:
                outcome.append("fenced")

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(write)
            await anyio.sleep(0.05)
            await two.take("r1", "you", LONG, reason="dead", dead="me")
        events = await two.read()

    assert outcome == ["fenced"] * 4
    assert isinstance(events[-1].record, TookOver)
    assert [event.epoch for event in events] == [1] * (len(events) - 1) + [2]
