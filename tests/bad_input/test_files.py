"""Files and folders that must not be touched: journals that are not ours, folders that are another's, old records."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import TypeAlias

import pytest

from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.errors import FairdeployError, JournalError, RecordError, StateError
from fairdeploy.journal import SQLiteJournal, codec
from fairdeploy.model import SCHEMA
from tests.bad_input.row import Row, rows
from tests.bad_input.standing import everything
from tests.journal.plans import plan

pytestmark = pytest.mark.anyio

Prepared: TypeAlias = Callable[[Path], None]
"""Makes the wrong thing at a path."""

ROOT = os.geteuid() == 0


async def _journal(path: Path) -> None:
    async with SQLiteJournal.open(path):
        pass


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE letters (text)")
        made.commit()


def _marked(path: Path, pragma: str) -> None:
    """Make a journal, and say something else of it."""
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA application_id = 0x66646A31")
        made.execute(f"PRAGMA {pragma}")
        made.commit()
    path.chmod(0o600)


def _world_readable(path: Path) -> None:
    _marked(path, "user_version = 1")
    path.chmod(0o644)


def _text(content: str, mode: int = 0o600) -> Prepared:
    def prepared(path: Path) -> None:
        path.write_text(content)
        path.chmod(mode)

    return prepared


def _folder(name: str = "", content: str = "", mode: int = 0o700) -> Prepared:
    def prepared(path: Path) -> None:
        path.mkdir()
        if name:
            (path / name).write_text(content)
        path.chmod(mode)

    return prepared


def _of_another_user(path: Path) -> None:
    path.mkdir(mode=0o700)
    os.chown(path, 65_534, 65_534)


JOURNALS: list[Row[Prepared]] = [
    Row(
        "a text",
        _text("dear diary\n" * 100),
        error=JournalError,
        names="thing",
        says="restore it from a copy, or name another path",
    ),
    Row(
        "a database of another tool",
        _database,
        error=JournalError,
        names="thing",
        says="not a journal of fairdeploy: name another path",
    ),
    Row(
        "a newer journal",
        lambda path: _marked(path, "user_version = 9"),
        error=JournalError,
        names="thing",
        says="(format 9, this one knows 2): upgrade fairdeploy",
    ),
    Row(
        "a journal that others can read",
        _world_readable,
        error=JournalError,
        names="thing",
        says="(mode 644): run `chmod 600",
    ),
    Row("a folder", _folder(), error=JournalError, names="thing", says="is not a file: name another path"),
]

FOLDERS: list[Row[Prepared]] = [
    Row(
        "a file",
        _text("dear diary"),
        error=StateError,
        names="thing",
        says="give a folder that this user can write to",
    ),
    Row(
        "a folder of another tool",
        _folder("Makefile", "all:\n"),
        error=StateError,
        names="thing",
        says="give a new or empty folder",
    ),
    Row(
        "a folder open to others",
        _folder("folder.json", '{"schema": 1, "boot": ""}', mode=0o755),
        error=StateError,
        names="thing",
        says="chmod 700 it, or give a new one",
    ),
    Row(
        "a folder of a newer version",
        _folder("folder.json", '{"schema": 9, "boot": ""}'),
        error=StateError,
        names="thing",
        says="is of schema 9, not 1: use its version",
    ),
    Row(
        "a damaged folder",
        _folder("folder.json", "{"),
        error=StateError,
        names="thing/folder.json",
        says="restore or remove it",
    ),
]

if ROOT:
    FOLDERS.append(
        Row(
            "a folder of another user",
            _of_another_user,
            error=StateError,
            names="thing",
            says="give a folder of your own",
        )
    )


async def _folder_opened(path: Path) -> None:
    async with LocalBackend.open(path):
        pass


async def _refused(row: Row[Prepared], place: Path, act: Callable[[Path], Awaitable[None]]) -> None:
    """Prepare the wrong thing, act on it, and see that it is as it was and named in full."""
    row.attempt(place / "thing")
    before = everything(place)
    with pytest.raises(FairdeployError) as caught:
        await act(place / "thing")

    Row(row.what, row.attempt, error=row.error, names=str(place / str(row.names)), says=row.says).holds(
        caught.value
    )
    assert everything(place) == before


@rows(JOURNALS)
async def test_a_journal_that_cannot_be_ours_is_left_alone(row: Row[Prepared], place: Path) -> None:
    """The error names the file and the remedy; the file and what lies beside it are byte for byte as before."""
    await _refused(row, place, _journal)


@rows(FOLDERS)
async def test_a_folder_that_cannot_be_ours_is_left_alone(row: Row[Prepared], place: Path) -> None:
    """The error names the folder and the remedy; all in it is byte for byte, and mode for mode, as before."""
    await _refused(row, place, _folder_opened)


def _below_a_file(place: Path) -> Path:
    (place / "file").write_text("dear diary")
    return place / "file" / "below"


@pytest.fixture
def read_only(place: Path) -> Iterator[Path]:
    """Give a folder that even root cannot write to, or another user's way of having one."""
    folder = place / "fixed"
    folder.mkdir()
    if not ROOT:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no read-only mount can be made here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


UNWRITABLE = [
    Row(
        "a journal",
        _journal,
        error=JournalError,
        names="journal",
        says="give a path in a folder that you can write to",
    ),
    Row(
        "a backend",
        _folder_opened,
        error=StateError,
        names="below",
        says="give a folder that this user can write to",
    ),
]


@rows(UNWRITABLE)
@pytest.mark.parametrize("where", ["below-a-file", "read-only"])
async def test_nothing_is_made_where_nothing_can_be_written(
    row: Row[Callable[[Path], Awaitable[None]]], where: str, place: Path, request: pytest.FixtureRequest
) -> None:
    """The error names the path and the remedy, and what is there is as it was."""
    path = _below_a_file(place) if where == "below-a-file" else request.getfixturevalue("read_only") / "below"
    before = everything(place)
    with pytest.raises(FairdeployError) as caught:
        await row.attempt(path)

    Row(row.what, row.attempt, error=row.error, names=str(path), says=row.says).holds(caught.value)
    assert everything(place) == before


def _with(change: Callable[[dict[str, object]], object]) -> str:
    """Return the text of a plan with a change in it."""
    text = json.loads(codec.encode_plan(plan()))
    change(text)
    return json.dumps(text)


RECORDS: list[Row[Callable[[], object]]] = [
    Row(
        "a plan with an unknown field",
        lambda: codec.plan(_with(lambda text: text.update(colour="red")), "the plan of rollout 'r'"),
        error=RecordError,
        names="r",
        says="it is damaged, or was written by another version",
    ),
    Row(
        "a plan of a newer schema",
        lambda: codec.plan(_with(lambda text: text.update(schema=SCHEMA + 1)), "the plan of rollout 'r'"),
        error=RecordError,
        names="r",
        says="upgrade fairdeploy",
    ),
    Row(
        "a plan without its steps' kinds",
        lambda: codec.plan(_with(lambda text: text.update(steps=[{"id": "x"}])), "the plan of rollout 'r'"),
        error=RecordError,
        names="r",
        says="it is damaged, or was written by another version",
    ),
    Row(
        "a plan cut short",
        lambda: codec.plan(codec.encode_plan(plan())[:-9], "the plan of rollout 'r'"),
        error=RecordError,
        names="r",
        says="it is damaged, or was written by another version",
    ),
    Row(
        "a record of a newer version",
        lambda: codec.record("{}", codec.VERSION + 1, "record 7 of rollout 'r'"),
        error=RecordError,
        names="r",
        says="upgrade fairdeploy",
    ),
]


@rows(RECORDS)
def test_a_record_that_is_not_understood_is_never_guessed_at(row: Row[Callable[[], object]]) -> None:
    """The error says which record it is and what to do; its text, which may hold anything, is not shown."""
    with pytest.raises(FairdeployError) as caught:
        row.attempt()

    row.holds(caught.value)
    assert "red" not in str(caught.value)


async def test_a_folder_of_a_machine_that_rebooted_is_opened(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty one holds nothing to start again: only the run of the machine that it was last used in changes."""
    async with AsyncExitStack() as stack:
        keeper = SupervisorKeeper(place / "keeper")
        stack.push_async_callback(keeper.shutdown)
        async with LocalBackend.open(place / "b", keeper=keeper):
            pass
        record = place / "b" / "folder.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "boot": "an earlier one"}))
        before = everything(place / "b", "folder.json", "lock")

        async with LocalBackend.open(place / "b", keeper=keeper):
            pass

        assert everything(place / "b", "folder.json", "lock") == before
        assert json.loads(record.read_text())["boot"] != "an earlier one"
        assert caplog.text == ""
