"""Routers: what divides traffic between revisions."""

from __future__ import annotations

from fairdeploy.routing.envoy import EnvoyRouter
from fairdeploy.routing.haproxy import HAProxyRouter

__all__ = ["EnvoyRouter", "HAProxyRouter"]
