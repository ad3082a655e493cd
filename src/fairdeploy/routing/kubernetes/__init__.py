"""Routers that a cluster has already, told through its API."""

from __future__ import annotations

from fairdeploy.routing.kubernetes.gateway import GatewayRouter
from fairdeploy.routing.kubernetes.istio import IstioRouter
from fairdeploy.routing.kubernetes.service import ServiceRouter

__all__ = ["GatewayRouter", "IstioRouter", "ServiceRouter"]
