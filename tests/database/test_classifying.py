from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairdeploy.database.classifying import classify, examine
from fairdeploy.database.printing import alembic_sql
from fairdeploy.errors import DatabaseError, InvalidInput

if TYPE_CHECKING:
    from fairdeploy.model import MigrationClass

CASES: list[tuple[MigrationClass, str]] = [
    ("additive", ""),
    ("additive", "CREATE TABLE t (id bigint PRIMARY KEY); CREATE UNIQUE INDEX i ON t (id); DROP TABLE t"),
    ("additive", "ALTER TABLE a ADD COLUMN b int, ADD COLUMN c text NOT NULL DEFAULT ''"),
    ("additive", 'ALTER TABLE "a" ADD COLUMN "b" text NULL'),
    ("additive", "-- migrate:up\nCREATE TABLE t (id int);\n-- migrate:down\nDROP TABLE t;"),
    ("additive", "CREATE INDEX CONCURRENTLY i ON a (b)"),
    ("additive", "ALTER TABLE a ADD COLUMN b int; UPDATE a SET b = 1"),
    ("additive", "ALTER TABLE a ALTER COLUMN b DROP NOT NULL"),
    ("additive", "BEGIN; SET LOCAL lock_timeout = '1s'; COMMENT ON TABLE a IS 'x'; COMMIT"),
    ("additive", "ALTER TYPE mood ADD VALUE 'calm'"),
    ("additive", "INSERT INTO a VALUES (1)"),
    ("additive", "UPDATE alembic_version SET version_num = '2' WHERE alembic_version.version_num = '1'"),
    ("reversible", "ALTER TABLE a ADD COLUMN b int NOT NULL"),
    ("reversible", "ALTER TABLE a RENAME COLUMN b TO c"),
    ("reversible", "ALTER TABLE a RENAME TO c"),
    ("reversible", "ALTER TABLE a ALTER COLUMN b SET NOT NULL"),
    ("reversible", "ALTER TABLE a ADD CONSTRAINT x CHECK (b > 1) NOT VALID"),
    ("reversible", "ALTER TABLE a DROP CONSTRAINT x"),
    ("reversible", "DROP INDEX i"),
    ("reversible", "CREATE UNIQUE INDEX i ON a (b)"),
    ("reversible", "CREATE OR REPLACE VIEW v AS SELECT 1"),
    ("reversible", "ALTER TABLE a ENABLE ROW LEVEL SECURITY"),
    ("destructive", "DROP TABLE a"),
    ("destructive", "ALTER TABLE a ADD COLUMN b int, DROP COLUMN c"),
    ("destructive", "ALTER TABLE a ALTER COLUMN b TYPE int USING b::int"),
    ("destructive", "UPDATE a SET b = 1"),
    ("destructive", "ALTER TABLE a ADD COLUMN b int; UPDATE a SET b = 1, c = 2"),
    ("destructive", "DELETE FROM a"),
    ("destructive", "TRUNCATE a"),
    ("destructive", "INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1"),
    ("destructive", "WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone"),
    ("destructive", "DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$"),
    ("destructive", "DROP SCHEMA s CASCADE"),
    ("destructive", "ALTER TABLE a DETACH PARTITION b"),
    ("destructive", "BEGIN;\n-- THIS OPERATION CANNOT BE WRITTEN AS SQL\nCOMMIT;"),
    ("destructive", "this is ( no SQL"),
]


@pytest.mark.parametrize(("kind", "sql"), CASES, ids=[sql[:60] or "nothing" for _, sql in CASES])
def test_a_migration_is_the_worst_of_its_statements(kind: MigrationClass, sql: str) -> None:
    """With a reason for all that is not additive."""
    found = classify(sql)
    assert found.kind == kind, str(found)
    assert bool(found.reasons) is (kind != "additive")


def test_a_reason_names_the_statement_and_no_value() -> None:
    """What is written into rows may be secret."""
    found = classify("SELECT 1; UPDATE users SET token = 'hunter2'")
    assert found.reasons == ("statement 2: overwrites values of users",)


def test_what_is_no_text_is_refused() -> None:
    """With its type."""
    with pytest.raises(InvalidInput, match="bytes"):
        classify(b"SELECT 1")  # type: ignore[arg-type]  # that is the point


@pytest.mark.anyio
async def test_locks_and_missing_time_outs_are_told() -> None:
    """By squawk, with the line; what is fine has none."""
    found = await examine(
        "SET lock_timeout = '1s';\nSET statement_timeout = '5s';\nCREATE INDEX i ON a (b);\n"
    )
    assert found.kind == "additive"
    assert [hazard for hazard in found.hazards if "concurrently" in hazard and hazard.startswith("line 3")]
    assert [h for h in (await examine("ALTER TABLE a ADD COLUMN b int;")).hazards if "lock_timeout" in h]


@pytest.mark.anyio
async def test_what_alembic_prints_can_be_classified(tmp_path: Path) -> None:
    """A project as `alembic init` makes it; the database is not asked."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\npath_separator = os\n")
    (tmp_path / "env.py").write_text(
        "from alembic import context\n"
        "context.configure(url='postgresql://', literal_binds=True)\n"
        "with context.begin_transaction():\n    context.run_migrations()\n"
    )
    (tmp_path / "versions" / "one.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '1'\ndown_revision = None\n"
        "def upgrade():\n    op.add_column('users', sa.Column('nick', sa.Text()))\n    op.drop_column('users', 'name')\n"
    )
    found = classify(await alembic_sql("base", "1", cwd=tmp_path))
    assert found.kind == "destructive"
    assert "users.name" in found.reasons[0]
    with pytest.raises(DatabaseError, match="no such"):
        await alembic_sql("base", "no such", cwd=tmp_path)
