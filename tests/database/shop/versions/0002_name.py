"""An addition that loses nothing on the way back while nobody has used it."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a column."""
    op.execute("ALTER TABLE users ADD COLUMN name text")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE users DROP COLUMN name")
