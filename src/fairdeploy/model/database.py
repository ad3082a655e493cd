"""What is seen of a database, and what was proved of its backups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, TypeAlias, final

from fairdeploy.model import _check

__all__ = ["BackupProof", "DatabaseSeen", "OnLoss"]

OnLoss: TypeAlias = Literal["freeze", "restore"]
"""What follows if going back would lose rows: ``freeze`` leaves the database readable, not writable, and asks a
person; ``restore`` is consent given beforehand."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSeen:
    """One look at a database.

    Args:
        version: Of its schema, as its migrations name it; empty before the first one.
        schema: A hash of the schema as it is, whatever its version says: half a migration changes it too.
        frozen: Whether it can only be read.
        sessions: How many others are connected, by the name that each gives itself (``application_name``).
        restore_ms: How long restoring its last verified backup took; ``None``: there is none.
    """

    version: str
    schema: str = ""
    frozen: bool = False
    sessions: Mapping[str, int] = field(default_factory=dict)
    restore_ms: int | None = None


@final
@dataclass(frozen=True, slots=True)
class BackupProof:
    """A backup that was restored once, and held what it should.

    Args:
        id: What the database's own tools know it by.
        restore_ms: How long restoring it took: what to promise as the time to recover.
        size: In bytes.
    """

    id: str
    _: KW_ONLY
    restore_ms: int
    size: int = 0

    def __post_init__(self) -> None:
        """Prove the numbers."""
        _check.whole(self.restore_ms, "restore_ms", low=0)
        _check.whole(self.size, "size", low=0)
