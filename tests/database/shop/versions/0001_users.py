"""The beginning."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.execute("CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE users")
