"""Checks that are asked over the network, or of a command."""

from __future__ import annotations

from fairdeploy.health.check import run_check

__all__ = ["run_check"]
