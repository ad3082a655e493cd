"""Bindings that name something that is no source of metrics."""

from __future__ import annotations

sources = {"edge": "http://prometheus.internal"}
