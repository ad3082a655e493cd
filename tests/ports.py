"""Free ports, for every test: found as the shipped test kit finds them."""

from __future__ import annotations

from fairdeploy.testing._ports import free_port

__all__ = ["free_port"]
