"""The SQL that migration tools would run, as they print it themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from fairdeploy.errors import DatabaseError
from fairdeploy.system import run_to_end

__all__ = ["alembic_sql", "django_sql"]


async def alembic_sql(
    since: str, upto: str, *, cwd: Path, env: Mapping[str, str] | None = None, within: float = 60.0
) -> str:
    """Return the SQL of Alembic's migrations from one version to another (``alembic upgrade since:upto --sql``).

    ``env.py`` must know the offline mode, as the one that Alembic makes does; the database is not asked.

    Args:
        since: Version before; ``base`` for none.
        upto: Version after.
        cwd: Where ``alembic.ini`` is.
        env: What the project needs in its environment.
        within: Seconds.

    Raises:
        DatabaseError: If it fails.
        DeadlineExceeded: If it does not end in time.
        MissingDependency: If it cannot be run.
    """
    argv = [sys.executable, "-m", "alembic", "upgrade", f"{since}:{upto}", "--sql"]
    return await _printed(argv, cwd, env, within)


async def django_sql(
    app: str, migration: str, *, cwd: Path, env: Mapping[str, str] | None = None, within: float = 60.0
) -> str:
    """Return the SQL of one of Django's migrations (``manage.py sqlmigrate app migration``).

    Steps in Python (``RunPython``) are printed as comments only: of what they do, nothing is said.

    Args:
        app: The app's label.
        migration: Its name, or the beginning of it.
        cwd: Where ``manage.py`` is.
        env: What the project needs in its environment.
        within: Seconds.

    Raises:
        DatabaseError: If it fails.
        DeadlineExceeded: If it does not end in time.
        MissingDependency: If it cannot be run.
    """
    return await _printed([sys.executable, "manage.py", "sqlmigrate", app, migration], cwd, env, within)


async def _printed(argv: list[str], cwd: Path, env: Mapping[str, str] | None, within: float) -> str:
    ran = await run_to_end(argv, within=within, cwd=cwd, env={**os.environ, **(env or {})})
    if ran.status != 0:
        msg = f"{argv[1:]!r} in {str(cwd)!r} failed with exit code {ran.status}: {ran.complaint}"
        raise DatabaseError(msg)
    return ran.printed
