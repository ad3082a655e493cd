"""What is done when a step of a rollback fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from fairdeploy.errors import InvalidInput

__all__ = ["Emergency"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """The emergency procedure, declared beforehand as data. Somebody is told in any case.

    Args:
        freeze: Let the manager's databases be read, not written, until a person has looked.
        best_known_good: Try earlier verified revisions, newest first, until one stands.
        to: The version to try first; it must have been verified once.

    Raises:
        InvalidInput: If ``to`` is no version.
    """

    freeze: bool = True
    best_known_good: bool = True
    to: str | None = None

    def __post_init__(self) -> None:
        """Prove the version."""
        if self.to is not None and (not isinstance(self.to, str) or not self.to):
            msg = f"the version to go to in an emergency must be one such as '1.4', not {self.to!r}"
            raise InvalidInput(msg)
