"""Numbered SQL files that only go forward, as a migrator: what they cannot do is said, with what is left to do."""

from __future__ import annotations

import hashlib
import re
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import anyio.to_thread

from fairdeploy.database.connection import connected
from fairdeploy.database.programs import ran
from fairdeploy.errors import DatabaseError
from fairdeploy.model import _check

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress

__all__ = ["SQLFiles"]

_BOOKS: Final = "public.fairdeploy_sql_files"
_NAME: Final = re.compile(r"\d+[A-Za-z0-9_.-]*\.sql")
_MAKE: Final = f"CREATE TABLE IF NOT EXISTS {_BOOKS} (file text PRIMARY KEY, sha256 text NOT NULL)"
_THERE: Final = f"SELECT to_regclass('{_BOOKS}') IS NOT NULL"
_APPLIED: Final = f"SELECT file, sha256 FROM {_BOOKS}"  # noqa: S608 -- a name of ours


@final
@dataclass(frozen=True, slots=True)
class SQLFiles:
    """A `fairdeploy.protocols.Migrator` of a folder of numbered SQL files without a way back, such as ``0042_notes.sql``.

    A version is a file's name without ``.sql``; files are taken in the order of their numbers. Each is run by ``psql`` in
    one transaction, which notes it in the table ``fairdeploy_sql_files``; one that has been run is not run again. Where
    they were run by something else until now they are all run once more, so they have to bear that (``IF NOT EXISTS``).

    Args:
        address: Of the database in use, for password and programs.
        folder: Where the files are.
        lock_timeout_ms: How long a statement waits for a lock.
        timeout_ms: After which a statement is ended.

    Raises:
        InvalidInput: If a time is none.
    """

    address: DatabaseAddress
    _: KW_ONLY
    folder: Path
    lock_timeout_ms: int = 2_000
    timeout_ms: int = 600_000

    def __post_init__(self) -> None:
        """Prove the times."""
        _check.whole(self.lock_timeout_ms, "lock_timeout_ms", low=1)
        _check.whole(self.timeout_ms, "timeout_ms", low=1)

    @property
    def own_tables(self) -> tuple[str, ...]:
        """See `Migrator.own_tables`."""
        return (_BOOKS,)

    async def current(self, dsn: str) -> str:
        """See `Migrator.current`."""
        return max(await self._applied(dsn), key=_order, default="")

    async def upgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.upgrade`.

        Raises:
            DatabaseError: If there is no such file, one was changed since it was run, or one fails; that one is undone.
        """
        files, applied = await anyio.to_thread.run_sync(self._files), await self._applied(dsn)
        if version not in files:
            msg = f"there is no {version!r} in {str(self.folder)!r}: it holds {sorted(files, key=_order)[-5:]!r}"
            raise DatabaseError(msg)
        for name in sorted(files, key=_order):
            if _order(name) > _order(version):
                return
            if name not in applied:
                await self._run(dsn, name, files[name])
            elif applied[name] != files[name]:
                msg = f"{name + '.sql'!r} was changed after it had been run, so it would never run as it is now: put what is new in a file with the next number"
                raise DatabaseError(msg)

    async def downgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.downgrade`: there is none.

        Raises:
            DatabaseError: Always, unless the database is there already.
        """
        now = await self.current(dsn)
        if now == version:
            return
        msg = (
            f"the SQL files in {str(self.folder)!r} only go forward: they cannot take a database back from {now!r} to "
            f"{version!r}. What can be done: let the application go back alone, which is safe where all that was added "
            "harms nobody; put the backup from before in the database's place (restore_backup); or write the next file, "
            "which undoes what is wrong"
        )
        raise DatabaseError(msg)

    def _files(self) -> dict[str, str]:
        """Return the hash of each file by its version."""
        try:
            found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
            return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
        except OSError as error:
            msg = f"the SQL files in {str(self.folder)!r} cannot be read ({error.strerror})"
            raise DatabaseError(msg) from error

    async def _applied(self, dsn: str) -> dict[str, str]:
        async with connected(replace(self.address, dsn=dsn), read_only=True) as connection:
            if not await connection.fetchval(_THERE):
                return {}
            return {row["file"]: row["sha256"] for row in await connection.fetch(_APPLIED)}

    async def _run(self, dsn: str, name: str, digest: str) -> None:
        # A frozen database is frozen for the application, not for who migrates it.
        words = (
            "SET TRANSACTION READ WRITE",
            f"SET LOCAL lock_timeout = {self.lock_timeout_ms}",
            f"SET LOCAL statement_timeout = {self.timeout_ms}",
            _MAKE,
            f"INSERT INTO {_BOOKS} VALUES ('{name}', '{digest}')",  # noqa: S608 -- letters and digits, see _NAME
        )
        await ran(
            replace(self.address, dsn=dsn),
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            f"--dbname={dsn}",
            *(f"--command={each}" for each in words),
            f"--file={self.folder / f'{name}.sql'}",
        )


def _order(version: str) -> tuple[int, str]:
    number = re.match(r"\d+", version)
    return (int(number[0]) if number else -1, version)
