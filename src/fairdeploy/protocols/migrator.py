"""What takes a database's schema from one version to another."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Migrator"]


class Migrator(Protocol):
    """A migration tool, as seen from here: it knows versions and two directions.

    Every method gets the DSN of the database to act on (without a password), as what it does is tried on a restored
    copy first. It must do the same thing there as on the database in use, and nothing beside it.
    """

    @property
    def own_tables(self) -> tuple[str, ...]:
        """Where the tool keeps its own books, such as ``public.alembic_version``: their changes are no loss."""
        ...

    async def current(self, dsn: str) -> str:
        """Return the version of a database's schema; empty if no migration has run there.

        Raises:
            DatabaseError: If it cannot be told.
        """
        ...

    async def upgrade(self, dsn: str, version: str) -> None:
        """Take a database forward to a version.

        Raises:
            DatabaseError: If it does not get there. Then the schema is as it was, or at a version in between.
        """
        ...

    async def downgrade(self, dsn: str, version: str) -> None:
        """Take a database back to a version.

        Raises:
            DatabaseError: If it does not get there. Then the schema is as it was, or at a version in between.
        """
        ...
