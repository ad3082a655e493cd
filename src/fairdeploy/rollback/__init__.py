"""Getting back: the database, rung by rung, and with it the application."""

from __future__ import annotations

__all__: list[str] = []
