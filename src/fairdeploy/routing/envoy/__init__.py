"""The embedded router: one Envoy per target, told by files, kept running by a keeper."""

from __future__ import annotations

from fairdeploy.routing.envoy.router import EnvoyRouter

__all__ = ["EnvoyRouter"]
