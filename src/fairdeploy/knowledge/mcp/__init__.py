"""Knowledge from a server of the Model Context Protocol (extra ``mcp``)."""

from __future__ import annotations

from fairdeploy.knowledge.mcp.source import MCPKnowledge
from fairdeploy.knowledge.tool_map import ARCHON, ToolCall, ToolMap

__all__ = ["ARCHON", "MCPKnowledge", "ToolCall", "ToolMap"]
