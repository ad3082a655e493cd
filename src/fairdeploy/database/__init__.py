"""A PostgreSQL database that has to go back: verified backups, what would be lost, restore beside, and swap.

Nothing here restores in place: `pg_restore --clean` over a database that has moved on leaves a mixture of two points
in time, and says so in warnings only.
"""

from __future__ import annotations

__all__: list[str] = []
