"""Checks that are asked: one, or all that a deployment's health depends on."""

from __future__ import annotations

from fairdeploy.health.check import run_check
from fairdeploy.health.checker import HealthChecker
from fairdeploy.health.presets import endpoints, exited, fairdatabase, supabase
from fairdeploy.health.rule import HealthRule

__all__ = [
    "HealthChecker",
    "HealthRule",
    "endpoints",
    "exited",
    "fairdatabase",
    "run_check",
    "supabase",
]
