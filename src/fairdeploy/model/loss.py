"""What going back would take away."""

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
    """What one table, or one of its columns, would lose.

    Args:
        table: With its schema, such as ``"public.orders"``; of a column, ``"public.orders.note"``.
        lost: Rows that are there now and would not be: inserted since, or changed to what they are. Of a column,
            those with a value in it.
        back: Rows that are not there now and would come back: deleted since, or what changed rows were.
    """

    __pydantic_config__ = STRICT

    table: str
    _: KW_ONLY
    lost: int
    back: int = 0

    def __post_init__(self) -> None:
        """Prove the numbers."""
        _check.whole(self.lost, "lost", low=0)
        _check.whole(self.back, "back", low=0)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """What a database would lose by going back: counted row by row, not estimated.

    Args:
        database: Its name.
        to: What it goes back to, such as ``"backup 'b1'"`` or ``"version '0002'"``.
        tables: Tables and columns that would lose rows or values, and stay.
        gone: Tables and columns that would not be there any more, with what they hold.
        sequences: Sequences whose value would go back: numbers that were given out may be given out again.

    Example:
        >>> report = LossReport(
        ...     database="shop", to="backup 'b1'", tables=(TableLoss("public.orders", lost=17, back=1),)
        ... )
        >>> print(report)
        'shop' would lose by going back to backup 'b1':
          public.orders: 17 rows lost, 1 row comes back
    """

    __pydantic_config__ = STRICT

    database: str
    to: str
    tables: tuple[TableLoss, ...] = ()
    gone: tuple[TableLoss, ...] = ()
    sequences: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing would be lost."""
        return not (self.tables or self.gone or self.sequences)

    @property
    def digest(self) -> str:
        """SHA-256 of the report: who agrees, agrees to this loss and to no other."""
        return hashlib.sha256(canonical(self).encode()).hexdigest()

    def __str__(self) -> str:
        """Return it as text, a line for each table."""
        if self.nothing:
            return f"{self.database!r} would lose nothing by going back to {self.to}"
        lines = [f"{self.database!r} would lose by going back to {self.to}:"]
        lines += [f"  {_told(each)}" for each in self.tables]
        lines += [f"  {each.table}: all of it, {_rows(each.lost)}" for each in self.gone]
        lines += [f"  {each}: the numbers given out since" for each in self.sequences]
        return "\n".join(lines)


def _told(each: TableLoss) -> str:
    parts = [f"{_rows(each.lost)} lost"] if each.lost else []
    if each.back:
        parts.append(f"{_rows(each.back)} {'comes' if each.back == 1 else 'come'} back")
    return f"{each.table}: {', '.join(parts)}"


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
