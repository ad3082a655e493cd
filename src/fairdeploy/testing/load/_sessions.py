"""Visitors who keep their cookies, and so should keep their revision."""

from __future__ import annotations

__all__ = ["Sessions", "Visitor"]

_MOST_COOKIES = 50


class Visitor:
    """One cookie jar, and the revision that answered it last."""

    __slots__ = ("_cookies", "_revision", "moves")

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}
        self._revision: str | None = None
        self.moves = 0
        """How often an answer came from another revision than the one before, although a cookie was held."""

    def header(self) -> str:
        """Return the value for the Cookie header; empty without cookies."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def saw(self, cookies: tuple[str, ...], revision: str | None) -> None:
        """Take note of an answer: its Set-Cookie values and its revision."""
        if revision is not None:
            if self._cookies and self._revision not in {None, revision}:
                self.moves += 1
            self._revision = revision
        for cookie in cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            if name.strip() in self._cookies or len(self._cookies) < _MOST_COOKIES:
                self._cookies[name.strip()] = value.strip()


class Sessions:
    """A fixed number of visitors, taken in turn."""

    __slots__ = ("_next", "_visitors")

    def __init__(self, count: int) -> None:
        self._visitors = [Visitor() for _ in range(count)]
        self._next = 0

    def take(self) -> Visitor:
        """Return the visitor whose turn it is."""
        visitor = self._visitors[self._next]
        self._next = (self._next + 1) % len(self._visitors)
        return visitor

    @property
    def moves(self) -> int:
        """How often a visitor with a cookie was answered by another revision than before."""
        return sum(visitor.moves for visitor in self._visitors)
