"""The page on databases runs: every block of Python in it, in order, on a real PostgreSQL and real processes."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

from fairdeploy import HTTPProbe, Probes, Release, Target
from fairdeploy.backends.local import LocalBackend
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.migrating import alembic
from fairdeploy.engine import Deployer
from fairdeploy.strategies import Recreate
from tests.contracts import source
from tests.docs.test_guide import run
from tests.ports import free_port
from tests.postgres import PASSWORD
from tests.proof.stage import stopped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Binaries, PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]

RECORDS = source.ROOT / "examples" / "apps" / "records"
NEXT = """from alembic import op

revision = "0004"
down_revision = "0003_readers"


def upgrade() -> None:
    op.execute("ALTER TABLE samples DROP COLUMN legacy")
"""


def registry(version: str, dsn: str) -> Release:
    """Return a release of the example's registry."""
    return Release(
        version,
        command=[sys.executable, str(RECORDS / "service.py"), "--uds", "{uds}", "--revision", "{revision}"],
        env={"DATABASE_URL": dsn, "PGAPPNAME": "{revision}"},
        probes=Probes(readiness=HTTPProbe("/health", interval_ms=100)),
    )


async def test_the_page_on_databases_runs(
    postgres: str,
    postgres_server: PostgresServer,
    postgres_binaries: Binaries,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every block of the page runs, in the order of the page; only addresses, folders and versions are of here."""
    monkeypatch.setenv("SHOP_DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("PATH", f"{postgres_binaries.folder}{os.pathsep}{os.environ['PATH']}")
    shop = tmp_path / "shop"
    shutil.copytree(RECORDS, shop)
    (shop / "versions" / "0004_next.py").write_text(NEXT, encoding="utf-8")
    address = DatabaseAddress(postgres)
    await alembic(address, cwd=shop).upgrade(postgres, "0002")
    here = {
        "postgresql://owner@db.internal/shop": f"postgresql://postgres@127.0.0.1:{postgres_server.port}/{address.name}",
        "/var/backups": str(tmp_path / "backups"),
        "/srv/shop": str(shop),
        "0041": "0001",
        "0042": "0003_readers",
        "0043": "0004",
        "Canary()": "Canary(steps=[100], bake=0.1, keep_warm=0, analysis=())",
    }
    folder = tmp_path / "deployments"
    target = Target("shop", replicas=1, endpoint=f"127.0.0.1:{free_port()}")
    async with LocalBackend.open(folder) as backend, stopped(folder):
        await Deployer(backend).deploy(target, registry("1", postgres), Recreate(watch=0))
        given = {"backend": backend, "target": target, "release": registry("2", postgres)}
        await run("docs/database.md", given, here=here)
    connection = await asyncpg.connect(postgres)
    try:
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "0004"
    finally:
        await connection.close()
    left = postgres_server.sql("SELECT datname FROM pg_database").split()
    for name in left:
        if name.startswith(f"{address.name}_"):
            postgres_server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
