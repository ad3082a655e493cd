"""A guard finds the journal that its backend was given: by the backend's URI, in which there is no secret."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from fairdeploy import SecretRef
from fairdeploy.backends.local import LocalBackend
from fairdeploy.engine import prune
from fairdeploy.errors import InvalidInput
from fairdeploy.guard import open_backend
from fairdeploy.journal import MemoryJournal, SQLiteJournal, open_journal
from fairdeploy.journal.postgres import PostgresJournal
from fairdeploy.model import Outcome
from fairdeploy.protocols import Archive
from tests.backends.local import until
from tests.guard.test_local import ending, serves_alone
from tests.postgres import PASSWORD, PostgresServer
from tests.proof.deployment import STRATEGIES
from tests.proof.stage import application, kill_at, lost, stage, under_load
from tests.security.surfaces import found_in, processes, stored

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]

VARIABLE = "FAIRDEPLOY_TEST_JOURNAL_PASSWORD"


@pytest.fixture
async def records(
    postgres: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostgresJournal]:
    """Give a PostgreSQL journal behind a password that a variable holds."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    dsn = f"postgresql://postgres@127.0.0.1:{postgres_server.port}{urlsplit(postgres).path}"
    async with PostgresJournal.open(dsn, password=SecretRef.env(VARIABLE), schema="rollouts") as journal:
        yield journal


@pytest.mark.load
async def test_the_guard_brings_traffic_back_from_a_journal_in_postgresql(
    tmp_path: Path, records: PostgresJournal
) -> None:
    """SIGKILL at 25 % under load, with the records in PostgreSQL: no request is lost, and no surface has the password."""
    async with stage(tmp_path / "deployments", guard=True, journal=records) as on:
        await on.deployer.deploy(on.target, application("v0"), STRATEGIES["blue_green"])
        async with under_load(on.url, rate=100, requests=100_000) as load:
            await kill_at(on, "long canary", "bake-25 intended", "guard")
            assert await ending(on) is Outcome.ROLLED_BACK
        report = load.report()
        assert report.lost == 0, lost(report)
        assert await serves_alone(on, "v0")
        seen = stored(on.folder)
        # Others of this machine are none of ours, and the password of the tests' server is no secret among them.
        seen |= {f"arguments of {pid}": text for pid, text in processes("cmdline") if str(on.folder) in text}
        (log,) = on.folder.glob("guard.*.log")
        # Its keeper writes down what it says.
        await until(anyio.Path(log).read_text, lambda text: "its holder is gone" in text)
        assert not (on.folder / "journal.sqlite").exists()
        (private,) = on.folder.glob("guard.*.secrets.json")
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
        assert PASSWORD not in on.backend.uri
        assert found_in(seen, [PASSWORD]) == {f"file {private.name}"}


async def test_any_program_reopens_the_very_same_journal(tmp_path: Path, records: PostgresJournal) -> None:
    """The URI is enough: its key is that of the journal that was given."""
    async with LocalBackend.open(tmp_path / "a", journal=records, guard=False) as backend:
        uri = backend.uri
    async with open_backend(uri) as again:
        assert again.journal.key == records.key
        assert again.uri == uri


async def test_a_journal_in_a_file_of_its_own_is_found_too(tmp_path: Path) -> None:
    """Whatever its path holds, and also if the folder's path does."""
    path = tmp_path / "a ?journal=&%23ü" / "records.sqlite"
    async with SQLiteJournal.open(path) as journal:
        async with LocalBackend.open(tmp_path / "b ?journal=x#", journal=journal, guard=False) as backend:
            uri = backend.uri
        async with open_journal(journal.address()) as same:
            assert same.key == journal.key
        async with open_backend(uri) as again:
            assert again.journal.key == journal.key
    assert (tmp_path / "b ?journal=x#").is_dir()


async def test_the_journal_of_a_guarded_backend_can_be_pruned(tmp_path: Path) -> None:
    """It passes on what looking after a journal needs, and says so if what is behind it cannot."""
    async with LocalBackend.open(tmp_path / "a", guard=True) as backend:
        assert isinstance(backend.journal, Archive)
        assert await prune(backend.journal, before=datetime.now(UTC)) == ()


async def test_a_folder_without_one_keeps_its_own(tmp_path: Path) -> None:
    """Its URI is the folder and nothing else."""
    async with LocalBackend.open(tmp_path / "a", guard=False) as backend:
        assert backend.uri == f"local://{tmp_path}/a"


async def test_a_password_in_clear_is_not_handed_on(
    tmp_path: Path, postgres: str, postgres_server: PostgresServer
) -> None:
    """Nobody else could open that journal: there is no guard by default, and asking for one is refused."""
    dsn = postgres_server.tcp(urlsplit(postgres).path[1:])
    async with PostgresJournal.open(dsn) as journal:
        assert journal.address() is None
        async with LocalBackend.open(tmp_path / "a", journal=journal) as backend:
            assert backend.journal is journal
            assert backend.uri == f"local://{tmp_path}/a"
        with pytest.raises(InvalidInput, match="its password by a SecretRef"):
            async with LocalBackend.open(tmp_path / "b", journal=journal, guard=True):
                pass
    assert "PGPASSWORD" not in os.environ


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?journal=memory%3A%2F%2Fx", "an address of a journal is sqlite:///absolute/path"),
        ("?journal=sqlite%3A%2F%2Frelative", "an address of a journal is"),
        ("?journal=postgresql%3A%2F%2Fu%3As3cret%40h%2Fd", "a URI with a password"),
        ("?journal=postgresql%3A%2F%2F%5Bh%2Fd", "is no address"),
        ("?router=x", "nothing of \\['router'\\]"),
    ],
)
async def test_what_is_no_journal_is_refused(tmp_path: Path, query: str, words: str) -> None:
    """The error names what was expected."""
    with pytest.raises(InvalidInput, match=words):
        async with LocalBackend.open(f"local://{tmp_path}/a{query}"):
            pass


async def test_two_journals_are_one_too_many(tmp_path: Path) -> None:
    """A target has one lease: a URI that names a journal does not go with another one."""
    with pytest.raises(InvalidInput, match="another one is given"):
        async with LocalBackend.open(
            f"local://{tmp_path}/a?journal=sqlite%3A%2F%2F%2Fx", journal=MemoryJournal()
        ):
            pass
    assert not (tmp_path / "a").exists()
