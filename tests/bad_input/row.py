"""One promise: what is wrong, which error says so, what it names, and what it tells to do."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Generic, TypeVar

import pytest

from fairdeploy.errors import FairdeployError

__all__ = ["Row", "rows"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """A line of a table.

    Args:
        what: What is wrong, for people.
        attempt: What does it.
        error: What it must raise: this very type.
        names: The thing that the message must show, with ``repr``, or as text if it is one.
        says: Words of the remedy, all of which the message must hold.
    """

    what: str
    attempt: T
    _: KW_ONLY
    error: type[FairdeployError]
    names: object
    says: str

    def holds(self, error: BaseException) -> None:
        """The error is the promised one."""
        assert type(error) is self.error, f"{type(error).__name__}: {error}"
        assert isinstance(error, FairdeployError)
        assert repr(self.names) in str(error), f"{self.names!r} is not named in: {error}"
        assert self.says in str(error), f"{self.says!r} is not said in: {error}"


def rows(table: list[Row[T]]) -> pytest.MarkDecorator:
    """Run a test for every line of a table."""
    assert len({row.what for row in table}) == len(table)
    return pytest.mark.parametrize("row", table, ids=[row.what.replace(" ", "-") for row in table])
