"""A journal in a PostgreSQL database. Needs the extra ``postgres``."""

from __future__ import annotations

from fairdeploy.journal.postgres.journal import PostgresJournal

__all__ = ["PostgresJournal"]
