"""A service of a Compose file, deployed without a gap by a real Docker Engine."""

from __future__ import annotations

from fairdeploy.backends.compose.backend import ComposeBackend

__all__ = ["ComposeBackend"]
