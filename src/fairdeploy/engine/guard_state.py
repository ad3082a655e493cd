"""What a guard takes along through steps and crashes: opaque, versioned JSON in the journal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, final

from fairdeploy.errors import RecordError

__all__ = ["GuardState"]

_VERSION: Final = 1
"""Of the text. A newer one is refused, never guessed at."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GuardState:
    """What a guard knows.

    Args:
        held_ms: For how long it has held the rollout, in all.
        exhausted: Whether it has used up what it may hold.
        failures: Failing looks in a row.
        comparison: The comparison's state, as `State.write` writes it.
    """

    held_ms: int = 0
    exhausted: bool = False
    failures: int = 0
    comparison: str = ""

    def write(self) -> str:
        """Return the state as text; empty if there is nothing to know."""
        if self == GuardState():
            return ""
        record = {
            "version": _VERSION,
            "held_ms": self.held_ms,
            "exhausted": self.exhausted,
            "failures": self.failures,
            "comparison": self.comparison,
        }
        return json.dumps(record, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> GuardState:
        """Return what `write` wrote.

        Raises:
            RecordError: If another version wrote it, or it is no such text.
        """
        if not text:
            return cls()
        try:
            data = json.loads(text)
            version = data.pop("version")
            state = cls(**data)
            known = state.write() == json.dumps({"version": _VERSION, **data}, separators=(",", ":"))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise RecordError("the state of a guard cannot be read: it is damaged") from None
        if version != _VERSION or not known:
            raise RecordError(
                f"the state of a guard has version {version!r}, this program reads {_VERSION}: use the one that wrote it"
            )
        return state
