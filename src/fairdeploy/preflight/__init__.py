"""Look before anything moves: validations, and what runs them. The rules are in `fairdeploy.validation`."""

from __future__ import annotations

from fairdeploy.preflight.asking import clock, reachable, schema_version
from fairdeploy.preflight.validator import DeploymentValidator, validated

__all__ = ["DeploymentValidator", "clock", "reachable", "schema_version", "validated"]
