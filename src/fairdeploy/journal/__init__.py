"""Durable records of rollouts, and the leases that go with them."""

from __future__ import annotations

from fairdeploy.journal.clock import SystemClock
from fairdeploy.journal.export import export, fill
from fairdeploy.journal.memory import MemoryJournal
from fairdeploy.journal.opening import open_journal
from fairdeploy.journal.sqlite import SQLiteJournal

__all__ = ["MemoryJournal", "SQLiteJournal", "SystemClock", "export", "fill", "open_journal"]
