"""Where revisions run: one package each, independent of each other."""

from __future__ import annotations

__all__: list[str] = []
