"""A migration that fails half-way: what its first half did is committed."""

from __future__ import annotations

from alembic import op

revision = "0003_half"
down_revision = "0002"


def upgrade() -> None:
    """Drop a column, commit, and break."""
    op.execute("ALTER TABLE samples DROP COLUMN legacy")
    with op.get_context().autocommit_block():
        op.execute("SELECT 1 / 0")


def downgrade() -> None:
    """Make room for what is not there any more."""
    op.execute("ALTER TABLE samples ADD COLUMN legacy text")
