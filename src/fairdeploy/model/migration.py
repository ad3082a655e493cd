"""What a migration does to the way back."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias, final, get_args

from fairdeploy.errors import InvalidInput
from fairdeploy.model._tagged import STRICT

__all__ = ["Classification", "MigrationClass"]

MigrationClass: TypeAlias = Literal["additive", "reversible", "destructive"]
"""``additive``: the version before goes on working with the schema after, so the application can go back alone.
``reversible``: the version before may not, but nothing is lost that a statement cannot bring back.
``destructive``: rows or values go, or nobody can tell: only a backup brings them back."""


@final
@dataclass(frozen=True, slots=True)
class Classification:
    """What a migration is, and on what grounds.

    Args:
        kind: The worst of its statements.
        reasons: One line for each statement that made it so, with its line in the text.
        hazards: Locks and waits that it may cost while it runs, and what to write instead.

    Raises:
        InvalidInput: If there is no such class.
    """

    __pydantic_config__ = STRICT

    kind: MigrationClass
    _: KW_ONLY
    reasons: tuple[str, ...] = ()
    hazards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Prove the class."""
        if self.kind not in get_args(MigrationClass):
            msg = f"a migration is one of {list(get_args(MigrationClass))!r}, not {self.kind!r}"
            raise InvalidInput(msg)

    def __str__(self) -> str:
        """Return it as people read it."""
        lines = [self.kind, *(f"  {reason}" for reason in self.reasons)]
        return "\n".join(lines + [f"  hazard: {hazard}" for hazard in self.hazards])
