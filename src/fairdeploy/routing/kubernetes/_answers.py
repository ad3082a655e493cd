"""What an API server says when it will not."""

from __future__ import annotations

import json
from typing import final

__all__ = ["Answered", "answered"]


@final
class Answered(Exception):
    """The API server has said no.

    Attributes:
        status: As in HTTP.
        reason: As in ``Status.reason``: ``NotFound``, ``AlreadyExists``, ``Conflict``, ``Invalid`` …
        message: In its words.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        """Keep what was said."""
        self.status, self.reason, self.message = status, reason, message
        super().__init__(message)


def answered(status: int, text: str) -> Answered:
    """Return what an answer says."""
    try:
        said = json.loads(text)
        return Answered(status, said.get("reason", ""), said.get("message", text[:500]))
    except (ValueError, AttributeError):
        return Answered(status, "", text[:500])
