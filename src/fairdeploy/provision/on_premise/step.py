"""One thing to see to: looked at before it is done, and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import final

__all__ = ["Seen", "Step"]


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """How it is.

    Args:
        done: Whether nothing is left to do.
        says: A sentence for people, without secrets.
        remedy: What a person can do, with the exact commands, where nothing of ours will.
    """

    done: bool
    says: str
    remedy: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to see to.

    Args:
        name: Such as ``volume:fairdatabase_data``.
        look: Say how it is; changes nothing.
        act: Do it; ``None``: only a person can.
        required: Whether nothing further is done without it.
        consent: Whether it is done only if its name was agreed to.
    """

    name: str
    look: Callable[[], Awaitable[Seen]]
    act: Callable[[], Awaitable[None]] | None = None
    required: bool = True
    consent: bool = False
