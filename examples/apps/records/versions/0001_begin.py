"""The beginning."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.execute("CREATE TABLE samples (id bigserial PRIMARY KEY, name text NOT NULL, legacy text)")
    op.execute(
        "CREATE TABLE notes (digest text PRIMARY KEY, body bytea NOT NULL, at timestamptz DEFAULT now())"
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE notes, samples")
