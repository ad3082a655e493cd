"""Bringing up what a deployment stands on. Each place has a room of its own."""

from __future__ import annotations

__all__: list[str] = []
