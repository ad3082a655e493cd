"""A registry of samples, as an institute keeps one: Starlette and asyncpg in front of PostgreSQL, migrated by Alembic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairdeploy import HTTPProbe, Probes, Release

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress

__all__ = ["FOLDER", "records_release"]

FOLDER = Path(__file__).parent
"""Where Alembic's migrations are."""


def records_release(version: str, address: DatabaseAddress, *options: str) -> Release:
    """Return a release of the registry.

    Args:
        version: What people call it.
        address: Of its database.
        options: Of `service.py`.
    """
    command = [sys.executable, str(FOLDER / "service.py"), "--uds", "{uds}", "--revision", "{revision}"]
    return Release(
        version,
        command=[*command, *options],
        # By its name a connection tells whose it is: what an older release still uses is not taken away.
        env={"DATABASE_URL": address.dsn, "PGAPPNAME": "{revision}"},
        probes=Probes(readiness=HTTPProbe("/health", interval_ms=100)),
    )
