"""Passages to cite: from the catalogue, or (extra ``mcp``: `fairdeploy.knowledge.mcp`) from a server."""

from __future__ import annotations

from fairdeploy.knowledge.built_in import BuiltInKnowledge
from fairdeploy.knowledge.citing import CitedAdvice, cite

__all__ = ["BuiltInKnowledge", "CitedAdvice", "cite"]
