"""The SQLite file of a journal: made, checked and opened, with every failure named."""

from __future__ import annotations

import secrets
import sqlite3
import stat
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from fairdeploy.errors import JournalError
from fairdeploy.system import Lock, continued, locker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["FORMAT", "connect", "failure", "patiently", "read_key"]

T = TypeVar("T")

_APPLICATION = 0x66646A31
"""Marks the file as ours (``fdj1``), so that no other database is written to by mistake."""
_BUSY_SECONDS = 5.0
_LOOK_SECONDS = 0.5
"""A write takes milliseconds: whoever has kept the file locked for so long may be standing still."""
_PAUSE = 0.01
_WRITER = 120
_RECOVERER = 122
"""Bytes of the ``-shm`` file that are locked by who writes, checkpoints and recovers (sqlite.org/walformat.html, 2.3.2)."""
_PENDING = 0x40000000
"""First byte of the file itself that is locked by who has it to himself, and the 511 after it (sqlite.org/lockingv3.html)."""
_OTHERS = 0o077

_TABLES = """
CREATE TABLE journal (key BLOB NOT NULL);
CREATE TABLE lease (target TEXT PRIMARY KEY, rollout TEXT NOT NULL, epoch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rollout (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    targets TEXT NOT NULL,
    plan TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    result TEXT,
    due TEXT NOT NULL,
    unfinished INTEGER NOT NULL
);
CREATE INDEX rollout_unfinished ON rollout (number) WHERE unfinished;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX event_rollout ON event (rollout, seq);
CREATE TRIGGER event_kept BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are only appended'); END;
CREATE TRIGGER event_final BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are only appended'); END;
"""

_KEEPING = """
ALTER TABLE rollout ADD COLUMN ahead_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollout ADD COLUMN boot TEXT NOT NULL DEFAULT '';
DROP TRIGGER event_kept;
CREATE TRIGGER event_kept BEFORE DELETE ON event WHEN EXISTS (SELECT 1 FROM rollout WHERE id = OLD.rollout)
    BEGIN SELECT RAISE(ABORT, 'events are only appended'); END;
CREATE TRIGGER rollout_kept BEFORE DELETE ON rollout WHEN OLD.unfinished
    BEGIN SELECT RAISE(ABORT, 'what is unfinished is kept'); END;
"""

_UPGRADES = (_TABLES, _KEEPING)
"""What makes each format from the one before it. What stands here is never changed: a new format is a new entry."""
FORMAT = len(_UPGRADES)

_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space and call again",
    sqlite3.SQLITE_READONLY: "it is read-only: check the file's mode and how its disk is mounted",
    sqlite3.SQLITE_BUSY: f"another process has kept it locked for {_BUSY_SECONDS:g} s: find out which, and call again",
    sqlite3.SQLITE_LOCKED: "it is locked: call again",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that its folder exists and is writable",
    sqlite3.SQLITE_IOERR: "its disk failed: check the disk, then call again",
    sqlite3.SQLITE_PERM: "it must not be opened: check its owner and mode",
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def connect(path: Path, upto: int = FORMAT) -> sqlite3.Connection:
    """Return a connection to the journal's file, which is made if there is none, and upgraded if it is older.

    Args:
        path: The file.
        upto: The format to reach.

    Raises:
        JournalError: If it cannot be used. A file that is not ours is left as it is.
    """
    _create_file(path)
    try:
        _check_identity(path)
        _check_mode(path)
        connection = sqlite3.connect(path, timeout=_LOOK_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise failure(path, error) from error
    try:
        connection.execute("PRAGMA synchronous = FULL")
        patiently(path, lambda: _upgrade(path, connection, upto))
        patiently(path, lambda: connection.execute("PRAGMA journal_mode = WAL"))
    except (sqlite3.Error, JournalError) as error:
        connection.close()
        if isinstance(error, JournalError):
            raise
        raise failure(path, error) from error
    return connection


def patiently(path: Path, call: Callable[[], T]) -> T:
    """Do something that a lock may keep from being done; again for some seconds.

    A process that was stopped in the middle of a write would keep the lock until it is continued: it is let run until
    the lock is had.

    Raises:
        sqlite3.Error: As the call does.
    """
    give_up = time.monotonic() + _BUSY_SECONDS
    with ExitStack() as stack:
        woken = False
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
            woken = woken or stack.enter_context(continued(*_locks(path)))
            time.sleep(_PAUSE)  # SQLite does not always wait itself


def _locks(path: Path) -> tuple[Lock, ...]:
    """Return what keeps others from writing, or from opening the file."""
    return (
        Lock(path.with_name(f"{path.name}-shm"), "POSIX", _WRITER, _RECOVERER),
        Lock(path, "POSIX", _PENDING, _PENDING + 511),
    )


def read_key(connection: sqlite3.Connection) -> bytes:
    """Return the journal's random bytes."""
    (key,) = connection.execute("SELECT key FROM journal").fetchone()
    return bytes(key)


def failure(path: Path, error: sqlite3.Error) -> JournalError:
    """Return what to raise for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _DAMAGED:
        return _unusable(
            f"journal {str(path)!r} is damaged, or no journal: restore it from a copy, or name another path"
        )
    remedy = _REMEDIES.get(code, f"SQLite says {error}")
    if code == sqlite3.SQLITE_BUSY and (who := locker(*_locks(path))):
        remedy = f"it has been locked for {_BUSY_SECONDS:g} s by {who}; then call again"
    return JournalError(f"journal {str(path)!r} cannot be used: {remedy}")


def _unusable(message: str) -> JournalError:
    error = JournalError(message)
    error.retryable = False
    return error


def _create_file(path: Path) -> None:
    """Make the file, for its owner only."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise _unusable(
            f"journal {str(path)!r} cannot be made ({error.strerror}): give a path in a folder that you can write to"
        ) from error
    if not path.is_file():
        raise _unusable(f"journal {str(path)!r} is not a file: name another path")


def _check_mode(path: Path) -> None:
    # By path: closing a descriptor of ours would drop the locks of SQLite's in this process.
    mode = path.stat().st_mode
    if mode & _OTHERS:
        raise _unusable(
            f"journal {str(path)!r} is open to other users (mode {stat.S_IMODE(mode):03o}): run `chmod 600 {path}`"
        )


def _check_identity(path: Path) -> None:
    """Refuse what is not ours, or newer than we are, without a lock or a trace beside the file."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        _check_marks(path, connection)


def _check_marks(path: Path, connection: sqlite3.Connection) -> None:
    foreign = False
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            foreign = bool(application or version or tables)
    except sqlite3.DatabaseError as error:
        raise failure(path, error) from error
    if foreign:
        raise _unusable(f"{str(path)!r} is a database, but not a journal of fairdeploy: name another path")
    if version > FORMAT:
        raise _unusable(
            f"journal {str(path)!r} is of a newer fairdeploy (format {version}, this one knows {FORMAT}): upgrade fairdeploy"
        )


def _upgrade(path: Path, connection: sqlite3.Connection, upto: int) -> None:
    """Make the tables, or bring older ones to this format: once, whoever comes first."""
    (known,) = connection.execute("PRAGMA user_version").fetchone()
    if known == upto:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _check_marks(path, connection)
        (known,) = connection.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(_UPGRADES[known:upto], known + 1):
            for statement in _statements(script):
                connection.execute(statement)
            if number == 1:
                connection.execute("INSERT INTO journal (key) VALUES (?)", (secrets.token_bytes(32),))
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except (sqlite3.Error, JournalError):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit in between."""
    statements, part = [], ""
    for line in script.strip().splitlines():
        part += line + "\n"
        if sqlite3.complete_statement(part):
            statements.append(part)
            part = ""
    return statements
