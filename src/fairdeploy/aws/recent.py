"""Looks that are still good: AWS counts calls, and nothing there moves faster than a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, final

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Recent"]

T = TypeVar("T")


@final
class Recent(Generic[T]):
    """Remembers the last look at each thing for a while. Whoever comes meanwhile waits for the same look.

    Args:
        seconds: How long a look is good; 0: for those only who came while it was taken.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[str, tuple[float, T]] = {}
        self._locks: dict[str, anyio.Lock] = {}

    async def get(self, key: str, look: Callable[[], Awaitable[T]]) -> T:
        """Return what was seen, looking again if that is too old."""
        async with self._locks.setdefault(key, anyio.Lock()):
            known = self._known.get(key)
            if known is not None and anyio.current_time() - known[0] < self._seconds:
                return known[1]
            began = anyio.current_time()
            seen = await look()
            self._known[key] = began, seen
            return seen

    def forget(self, key: str) -> None:
        """Look again next time: something was changed."""
        self._known.pop(key, None)
