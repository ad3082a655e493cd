"""What can only be taken back by a backup."""

from __future__ import annotations

from alembic import op

revision = "0003_drop"
down_revision = "0002"


def upgrade() -> None:
    """Drop a column that nobody reads any more."""
    op.execute("ALTER TABLE samples DROP COLUMN legacy")


def downgrade() -> None:
    """Make room for what is not there any more."""
    op.execute("ALTER TABLE samples ADD COLUMN legacy text")
