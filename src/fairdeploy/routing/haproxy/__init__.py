"""The light router: one HAProxy per target, told through its runtime socket, kept running by a keeper."""

from __future__ import annotations

from fairdeploy.routing.haproxy.router import HAProxyRouter

__all__ = ["HAProxyRouter"]
