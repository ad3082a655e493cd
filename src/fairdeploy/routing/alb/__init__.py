"""Application Load Balancer: our weights on a listener or rule that is already there."""

from __future__ import annotations

from fairdeploy.routing.alb.place import Slots, discover
from fairdeploy.routing.alb.router import ALBRouter
from fairdeploy.routing.alb.weights import weights

__all__ = ["ALBRouter", "Slots", "discover", "weights"]
