"""Migration tools as programs: Alembic, Django, and any other by its commands."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.errors import DatabaseError, DeadlineExceeded, InvalidInput, MissingDependency
from fairdeploy.model import _check

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress

__all__ = ["CommandMigrator", "alembic", "django"]

_LAST: Final = 2_000
_TRIES: Final = 5
_PAUSE_S: Final = 0.5
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
        downgrade_command: Goes back to ``{version}``. One that knows no version, such as dbmate's ``rollback``, needs
            a script of yours around it.
        own_tables: See `Migrator.own_tables`.
        pattern: Finds the version in what ``current_command`` prints: its first group in the last match; no match: none.
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
        _check.whole(self.lock_timeout_ms, "lock_timeout_ms", low=1)
        _check.whole(self.timeout_ms, "timeout_ms", low=1)

    async def current(self, dsn: str) -> str:
        """See `Migrator.current`."""
        said = await self._ran(dsn, tuple(self.current_command))
        found = re.findall(self.pattern, said, re.MULTILINE)
        return str(found[-1]) if found else ""

    async def upgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.upgrade`."""
        await self._patiently(dsn, tuple(self.upgrade_command), version)

    async def downgrade(self, dsn: str, version: str) -> None:
        """See `Migrator.downgrade`."""
        await self._patiently(dsn, tuple(self.downgrade_command), version)

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
            "PGOPTIONS": f"-c lock_timeout={self.lock_timeout_ms}",
            **self.env,
            self.url_variable: url,
        }
        try:
            with anyio.fail_after(self.timeout_ms / 1000):
                done = await anyio.run_process(
                    list(argv),
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=environment,
                    cwd=self.cwd,
                )
        except TimeoutError as error:
            msg = f"migration command {argv!r} on {dsn!r} did not end within {self.timeout_ms / 1000:g} s"
            raise DeadlineExceeded(msg) from error
        except OSError as error:
            msg = f"migration command {argv!r} cannot be run ({error.strerror}): is it installed where this program looks?"
            raise MissingDependency(msg) from error
        said = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            words = there.hide(done.stderr.decode(errors="replace").strip() or said)[-_LAST:]
            msg = f"migration command {argv!r} on {dsn!r} failed with exit code {done.returncode}: {words}"
            raise DatabaseError(msg)
        return said


def alembic(
    address: DatabaseAddress,
    *,
    cwd: Path,
    scheme: str = "postgresql+psycopg",
    url_variable: str = "DATABASE_URL",
) -> CommandMigrator:
    """Return Alembic, whose ``env.py`` must take the DSN from ``url_variable``.

    Args:
        address: Of the database in use.
        cwd: Where ``alembic.ini`` is.
        scheme: SQLAlchemy's name for the driver.
        url_variable: See `CommandMigrator`.
    """
    program = (sys.executable, "-m", "alembic")
    return CommandMigrator(
        address,
        current_command=(*program, "current"),
        upgrade_command=(*program, "upgrade", "{version}"),
        downgrade_command=(*program, "downgrade", "{version}"),
        own_tables=("public.alembic_version",),
        pattern=r"^(\w+)(?: \((?:head|branchpoint|mergepoint)\))*$",
        cwd=cwd,
        scheme=scheme,
        url_variable=url_variable,
    )


def django(
    address: DatabaseAddress, app: str, *, cwd: Path, url_variable: str = "DATABASE_URL"
) -> CommandMigrator:
    """Return the migrations of one of Django's apps, whose settings must take the DSN from ``url_variable``.

    Args:
        address: Of the database in use.
        app: The app's label. Version ``"zero"`` undoes all of its migrations.
        cwd: Where ``manage.py`` is.
        url_variable: See `CommandMigrator`.
    """
    program = (sys.executable, "manage.py")
    migrate = (*program, "migrate", "--no-input", app, "{version}")
    return CommandMigrator(
        address,
        current_command=(*program, "showmigrations", "--list", app),
        upgrade_command=migrate,
        downgrade_command=migrate,
        own_tables=("public.django_migrations",),
        pattern=r"^\s*\[X\] (\w+)",
        cwd=cwd,
        url_variable=url_variable,
    )
