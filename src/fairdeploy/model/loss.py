"""What going back to a backup would take away."""

from __future__ import annotations

import hashlib
from dataclasses import KW_ONLY, dataclass
from typing import final

from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.canonical import canonical

__all__ = ["LossReport", "TableLoss"]


@final
@dataclass(frozen=True, slots=True)
class TableLoss:
    """What one table would lose.

    Args:
        table: With its schema, such as ``"public.orders"``.
        written: Rows that are there now and not in the backup: inserted since, or changed to what they are.
        removed: Rows that are in the backup and not there now: deleted since, or what changed rows were. They
            would come back.
    """

    __pydantic_config__ = STRICT

    table: str
    _: KW_ONLY
    written: int
    removed: int

    def __post_init__(self) -> None:
        """Prove the numbers."""
        _check.whole(self.written, "written", low=0)
        _check.whole(self.removed, "removed", low=0)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """What a database would lose by going back to a backup: exact, row by row, not an estimate.

    Args:
        database: Its name.
        backup: The backup's id.
        tables: Those that differ, by name.
        only_now: Tables that are there now and not in the backup, with their rows.
        sequences: Sequences whose value would go back: numbers that were given out may be given out again.

    Example:
        >>> report = LossReport(
        ...     database="shop", backup="b1", tables=(TableLoss("public.orders", written=17, removed=0),)
        ... )
        >>> print(report)
        going back from 'shop' to backup 'b1' would lose:
          public.orders: 17 rows written since
    """

    __pydantic_config__ = STRICT

    database: str
    backup: str
    tables: tuple[TableLoss, ...] = ()
    only_now: tuple[TableLoss, ...] = ()
    sequences: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing would be lost."""
        return not (self.tables or self.only_now or self.sequences)

    @property
    def digest(self) -> str:
        """SHA-256 of the report: who agrees, agrees to this loss and to no other."""
        return hashlib.sha256(canonical(self).encode()).hexdigest()

    def __str__(self) -> str:
        """Return it as text, a line for each table."""
        if self.nothing:
            return f"going back from {self.database!r} to backup {self.backup!r} would lose nothing"
        lines = [f"going back from {self.database!r} to backup {self.backup!r} would lose:"]
        lines += [f"  {_told(each)}" for each in self.tables]
        lines += [
            f"  {each.table}: the whole table, {each.written} row{_s(each.written)}" for each in self.only_now
        ]
        lines += [f"  {each}: the numbers given out since" for each in self.sequences]
        return "\n".join(lines)


def _told(each: TableLoss) -> str:
    parts = []
    if each.written:
        parts.append(f"{each.written} row{_s(each.written)} written since")
    if each.removed:
        parts.append(f"{each.removed} row{_s(each.removed)} removed or changed since would come back")
    return f"{each.table}: {', '.join(parts)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
