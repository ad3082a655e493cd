"""Durable records of rollouts, and the leases that go with them."""

from __future__ import annotations

from fairdeploy.journal.clock import SystemClock
from fairdeploy.journal.memory import MemoryJournal

__all__ = ["MemoryJournal", "SystemClock"]
