"""An addition: the version before lives with it."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Say where a sample was taken."""
    op.execute("ALTER TABLE samples ADD COLUMN site text")


def downgrade() -> None:
    """Forget it."""
    op.execute("ALTER TABLE samples DROP COLUMN site")
