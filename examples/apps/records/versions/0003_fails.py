"""A migration that fails as a whole: its transaction undoes what it had done."""

from __future__ import annotations

from alembic import op

revision = "0003_fails"
down_revision = "0002"


def upgrade() -> None:
    """Add a column, and break."""
    op.execute("ALTER TABLE samples ADD COLUMN weight numeric")
    op.execute("SELECT 1 / 0")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE samples DROP COLUMN weight")
