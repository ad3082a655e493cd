"""What can be taken back without losing anything, as long as nobody has used it."""

from __future__ import annotations

from alembic import op

revision = "0003_readers"
down_revision = "0002"


def upgrade() -> None:
    """Make a table, and an index on what is there."""
    op.execute("CREATE TABLE readers (id bigserial PRIMARY KEY, name text NOT NULL)")
    op.execute("CREATE INDEX samples_name ON samples (name)")


def downgrade() -> None:
    """Drop both."""
    op.execute("DROP INDEX samples_name")
    op.execute("DROP TABLE readers")
