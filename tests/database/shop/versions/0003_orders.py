"""A table, whose way back breaks half-way: what its first half did is committed."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make it."""
    op.execute("CREATE TABLE orders (id bigserial PRIMARY KEY, who bigint REFERENCES users)")


def downgrade() -> None:
    """Drop it, and break where a user's name says so, on this database and no copy: before the commit, or after it."""
    breaks = op.get_bind().exec_driver_sql(
        "SELECT email FROM users WHERE starts_with(email, 'break ' || current_database() || ' ')"
    )
    where = breaks.scalar() or ""
    op.execute("DROP TABLE orders")
    if where.endswith("before"):
        op.execute("SELECT 1 / 0")
    with op.get_context().autocommit_block():
        op.execute("SELECT 1")
    if where.endswith("after"):
        op.execute("SELECT 1 / 0")
