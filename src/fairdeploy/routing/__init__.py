"""Routers: what divides traffic between revisions."""

from __future__ import annotations

from fairdeploy.routing.envoy import EnvoyRouter

__all__ = ["EnvoyRouter"]
