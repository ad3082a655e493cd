"""Migration tools as programs: Alembic, Django, and any other by its commands."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.database.connection import connected
from fairdeploy.database.properties import FROZEN
from fairdeploy.errors import DatabaseError, InvalidInput
from fairdeploy.model import _check
from fairdeploy.system import run_to_end

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress

__all__ = ["CommandMigrator", "alembic", "django"]

_TRIES: Final = 5
_PAUSE_S: Final = 0.5
_ERROR: Final = re.compile(r"(?:[Ee]rror|ERROR|Exception|FATAL)\b: ")
_THERE: Final = "SELECT to_regclass($1) IS NOT NULL"
_LOCKED: Final = "lock timeout"
"""What PostgreSQL says when a statement waited too long for a lock: the statement's transaction is undone."""


@final
@dataclass(frozen=True, slots=True)
class CommandMigrator:
    """A migration tool by its commands: argument lists, never a shell, with ``{version}`` in two of them.

    The DSN stands in the environment variable ``url_variable`` without its password, which libpq, psycopg, asyncpg and
    lib/pq all take from ``PGPASSWORD``. Locks are waited for shortly and again, so that a migration that has to
    wait does not make everybody else wait behind it.

    Args:
        address: Of the database in use, for password and programs.
        current_command: Prints the version.
        upgrade_command: Goes forward to ``{version}``.
        downgrade_command: Goes back to ``{version}``.
        own_tables: See `Migrator.own_tables`.
        pattern: Finds the version in what ``current_command`` prints: its first group in the last match.
        nothing: What the commands call the state before the first migration, such as Alembic's ``"base"``; the version
            where nothing matches.
        both_ways: Whether both commands go to a version wherever it lies, as Django's ``migrate`` does. Then
            ``current_command`` must print all that was applied, oldest first, and the wrong way is refused: what was meant
            to go forward, on a database that is further than the code, would take away what came later.
        current_query: Returns what was applied, oldest first, from the first of ``own_tables``. Where that table is there,
            this is asked instead of ``current_command``, which takes as long as a program does to start.
        cwd: Where the commands run.
        env: More environment for them.
        url_variable: Takes the DSN.
        scheme: The DSN's, as the tool wants it, such as ``"postgresql+psycopg"``.
        lock_timeout_ms: How long a statement waits for a lock.
        timeout_ms: After which a command is killed.

    Raises:
        InvalidInput: If a command is empty, or does not say ``{version}`` where it has to.
    """

    address: DatabaseAddress
    _: KW_ONLY
    current_command: tuple[str, ...] | list[str]
    upgrade_command: tuple[str, ...] | list[str]
    downgrade_command: tuple[str, ...] | list[str]
    own_tables: tuple[str, ...] = ()
    pattern: str = r"^(\S+)"
    nothing: str = ""
    both_ways: bool = False
    current_query: str = ""
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    url_variable: str = "DATABASE_URL"
    scheme: str = "postgresql"
    lock_timeout_ms: int = 2_000
    timeout_ms: int = 600_000

    def __post_init__(self) -> None:
        """Prove the commands."""
        for name in ("current_command", "upgrade_command", "downgrade_command"):
            command = _check.strings(getattr(self, name), name)
            if not command or (
                name != "current_command" and not any("{version}" in word for word in command)
            ):
                msg = f"{name} {command!r} must be an argument list" + (
                    "" if name == "current_command" else " with {version} in it"
                )
                raise InvalidInput(msg)
            object.__setattr__(self, name, command)
        if self.current_query and not self.own_tables:
            msg = f"current_query {self.current_query!r} reads a table of the tool's own: name it first in own_tables"
            raise InvalidInput(msg)
        _check.whole(self.lock_timeout_ms, "lock_timeout_ms", low=1)
        _check.whole(self.timeout_ms, "timeout_ms", low=1)

    async def current(self, dsn: str) -> str:
        """See `Migrator.current`."""
        return (await self._applied(dsn) or [self.nothing])[-1]

    async def upgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.upgrade`."""
        if self.both_ways:
            applied = await self._applied(dsn)
            if version in applied[:-1]:
                msg = (
                    f"{version!r} is behind {applied[-1]!r}, where {dsn!r} is: the database is newer than the code, and to go "
                    "forward there would take back what came later; nothing has changed"
                )
                raise DatabaseError(msg)
        await self._patiently(dsn, tuple(self.upgrade_command), version)

    async def downgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.downgrade`."""
        if self.both_ways and version not in {self.nothing, *await self._applied(dsn)}:
            msg = f"{version!r} was never applied to {dsn!r}: there is no way back to it; nothing has changed"
            raise DatabaseError(msg)
        await self._patiently(dsn, tuple(self.downgrade_command), version)

    async def _applied(self, dsn: str) -> list[str]:
        if self.current_query:
            async with connected(replace(self.address, dsn=dsn), read_only=True) as connection:
                if await connection.fetchval(_THERE, self.own_tables[0]):
                    return [str(row[0]) for row in await connection.fetch(self.current_query)]
        said = await self._ran(dsn, tuple(self.current_command))
        return [str(each) for each in re.findall(self.pattern, said, re.MULTILINE)]

    async def _patiently(self, dsn: str, command: tuple[str, ...], version: str) -> None:
        """Run a command again where it only failed to get a lock: what it had done is undone."""
        argv = tuple(word.replace("{version}", version) for word in command)
        for attempt in range(_TRIES):
            try:
                await self._ran(dsn, argv)
            except DatabaseError as error:
                if _LOCKED not in str(error) or attempt == _TRIES - 1:
                    raise
                pause = _PAUSE_S * 2**attempt * random.uniform(0.5, 1.0)  # noqa: S311 -- so that two do not meet again
                await anyio.sleep(pause)
            else:
                return

    async def _ran(self, dsn: str, argv: tuple[str, ...]) -> str:
        there = replace(self.address, dsn=dsn)
        url = self.scheme + dsn[dsn.index(":") :]
        environment = {
            **there.environment(),
            # A frozen database is frozen for the application, not for who migrates it; and what the server still does for a
            # command that was ended would go on without a time-out.
            "PGOPTIONS": (
                f"-c lock_timeout={self.lock_timeout_ms} -c statement_timeout={self.timeout_ms} -c {FROZEN}=off"
            ),
            **self.env,
            self.url_variable: url,
        }
        password = self.address.secret()
        done = await run_to_end(
            argv,
            within=self.timeout_ms / 1000,
            env=environment,
            cwd=self.cwd,
            secrets=[] if password is None else [password],
        )
        if done.status != 0:
            words = done.complaint
            msg = f"migration failed with exit code {done.status}: {_gist(words)} ({argv!r} on {dsn!r})\n{words}"
            raise DatabaseError(msg)
        return done.printed


def _gist(words: str) -> str:
    """Return the line of a tool's last words that says what was wrong: its last error, or its last line."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines or [""])[-1]


def alembic(
    address: DatabaseAddress,
    *,
    cwd: Path,
    scheme: str = "postgresql+psycopg",
    url_variable: str = "DATABASE_URL",
    env: Mapping[str, str] | None = None,
) -> CommandMigrator:
    """Return Alembic, whose ``env.py`` must take the DSN from ``url_variable``. Version ``"base"`` is before the first.

    Args:
        address: Of the database in use.
        cwd: Where ``alembic.ini`` is.
        scheme: SQLAlchemy's name for the driver.
        url_variable: See `CommandMigrator`.
        env: See `CommandMigrator`.
    """
    program = (sys.executable, "-m", "alembic")
    return CommandMigrator(
        address,
        current_command=(*program, "current"),
        upgrade_command=(*program, "upgrade", "{version}"),
        downgrade_command=(*program, "downgrade", "{version}"),
        own_tables=("public.alembic_version",),
        pattern=r"^(\w+)(?: \((?:head|branchpoint|mergepoint)\))*$",
        nothing="base",
        current_query="SELECT version_num FROM public.alembic_version",
        cwd=cwd,
        scheme=scheme,
        url_variable=url_variable,
        env=env or {},
    )


_RECORDED: Final = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
recorder = MigrationRecorder(connection)
rows = recorder.migration_qs.filter(app={app!r}).order_by("id") if recorder.has_table() else ()
for row in rows: print("applied", row.name)
"""
"""What was applied, as the database itself says: ``showmigrations`` leaves out what the code does not know."""


def django(
    address: DatabaseAddress,
    app: str,
    *,
    cwd: Path,
    url_variable: str = "DATABASE_URL",
    env: Mapping[str, str] | None = None,
) -> CommandMigrator:
    """Return the migrations of one of Django's apps, whose settings must take the DSN from ``url_variable``.

    Versions are names in full, such as ``"0002_site"``; ``"zero"`` is before the first.

    Args:
        address: Of the database in use.
        app: The app's label.
        cwd: Where ``manage.py`` is.
        url_variable: See `CommandMigrator`.
        env: See `CommandMigrator`; what the settings need too.

    Raises:
        InvalidInput: If the label is none.
    """
    if not isinstance(app, str) or not app.isidentifier():
        msg = f"an app's label is a Python name, such as 'shop': {app!r} is none"
        raise InvalidInput(msg)
    program = (sys.executable, "manage.py")
    migrate = (*program, "migrate", "--no-input", app, "{version}")
    return CommandMigrator(
        address,
        current_command=(*program, "shell", "--verbosity=0", "--command", _RECORDED.format(app=app)),
        upgrade_command=migrate,
        downgrade_command=migrate,
        own_tables=("public.django_migrations",),
        pattern=r"^applied (\w+)$",
        nothing="zero",
        current_query=f"SELECT name FROM public.django_migrations WHERE app = '{app}' ORDER BY id",  # noqa: S608 -- an identifier
        both_ways=True,
        cwd=cwd,
        url_variable=url_variable,
        env=env or {},
    )
