"""A shop's database with what a dump has to carry: keys, partitions, sequences, large objects, odd names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from fairdeploy.database.address import DatabaseAddress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.postgres import Binaries

SHOP = """
CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, joined timestamptz DEFAULT now());
CREATE TABLE orders (id bigserial, day date NOT NULL, who bigint REFERENCES users, cents numeric(12, 2), PRIMARY KEY (id, day))
  PARTITION BY RANGE (day);
CREATE TABLE orders_old PARTITION OF orders FOR VALUES FROM ('2000-01-01') TO ('2026-01-01');
CREATE TABLE orders_new PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2100-01-01');
CREATE SCHEMA "Odd ""schema"" too";
CREATE TABLE "Odd ""schema"" too"."select" (x float8, y jsonb, z bytea);
INSERT INTO users (email) SELECT 'user' || n || '@example.org' FROM generate_series(1, 2000) n;
INSERT INTO orders (day, who, cents) SELECT date '2025-06-01' + n % 400, 1 + n % 2000, n / 7.0 FROM generate_series(1, 5000) n;
INSERT INTO "Odd ""schema"" too"."select" VALUES ('NaN', '{"a": [1]}', '\\x00ff'), (0.1 + 0.2, 'null', NULL), (NULL, NULL, '');
SELECT lo_from_bytea(0, 'a scan of a form');
CREATE MATERIALIZED VIEW totals AS SELECT who, sum(cents) FROM orders GROUP BY who;
"""


@pytest.fixture
def shop(postgres: str, postgres_binaries: Binaries) -> DatabaseAddress:
    """Give where the database is."""
    return DatabaseAddress(postgres, programs=postgres_binaries.folder)


@pytest.fixture
async def filled(shop: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    """Fill it, and give a connection."""
    connection = await asyncpg.connect(shop.dsn)
    await connection.execute(SHOP)
    yield connection
    if not connection.is_closed():
        await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give where backups go; not made yet."""
    return tmp_path / "backups"
