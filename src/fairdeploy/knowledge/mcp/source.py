"""A server that can be searched through its tools."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import TypeVar, final

import anyio

from fairdeploy.errors import InvalidInput, KnowledgeError, MissingDependency
from fairdeploy.knowledge.answer import clean, origins_of, passages_of, records_of
from fairdeploy.knowledge.built_in import BuiltInKnowledge
from fairdeploy.knowledge.tool_map import ARCHON, ToolCall, ToolMap
from fairdeploy.protocols.knowledge import KnowledgeOrigin, KnowledgeSource, Passage

try:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.types import CallToolResult, TextContent, Tool
except ImportError as error:
    raise MissingDependency("'mcp' is not installed: pip install \"fairdeploy[mcp]\"") from error

__all__ = ["MCPKnowledge"]

_log = logging.getLogger(__name__)
_PAGES_OF_TOOLS = 20
T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class MCPKnowledge:
    """A server that can be searched through its tools, which are discovered each time.

    Every question opens a connection and closes it, so that a server that was restarted is found again; there is
    nothing to close. Tools are listed first, and only arguments that they declare are sent.

    Args:
        url: The server's address, such as ``http://localhost:8051/mcp``.
        tools: Which tools do what; Archon's unless said otherwise.
        fallback: Who answers when the server cannot: the catalogue unless said otherwise. With None, errors are raised.
        deadline: How long a question may take in all, in seconds, above 0.
        attempts: How often a connection is tried within that time, from 1.
        headers: Sent with each request, such as an authorisation; not shown.

    Raises:
        InvalidInput: If the address is no http address, or a bound is out of range.
    """

    url: str
    _: KW_ONLY
    tools: ToolMap = field(default_factory=lambda: ARCHON)
    fallback: KnowledgeSource | None = field(default_factory=BuiltInKnowledge)
    deadline: float = 10
    attempts: int = 2
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if not self.url.startswith(("http://", "https://")):
            raise InvalidInput(f"url must begin with 'http://' or 'https://', not {self.url!r}")
        if not self.deadline > 0 or self.attempts < 1:
            raise InvalidInput(
                f"deadline and attempts must be above 0, not {self.deadline!r} and {self.attempts!r}"
            )

    async def sources(self) -> tuple[KnowledgeOrigin, ...]:
        """Return the bodies of text that the server holds; none if it has no tool for it."""

        async def ask(server: _Server) -> tuple[KnowledgeOrigin, ...]:
            if not self.tools.sources:
                return ()
            return origins_of(await server.ask(self.tools.sources, {}), self.tools.passage)

        return await self._answer(ask, lambda other: other.sources())

    async def search(self, query: str, *, limit: int = 5, origin: str = "") -> tuple[Passage, ...]:
        """Return the passages that the server finds, read in full where it only names them."""

        async def ask(server: _Server) -> tuple[Passage, ...]:
            asked = {"query": query, "limit": limit, **({"origin": origin} if origin else {})}
            found = passages_of(await server.ask(self.tools.search, asked), self.tools.passage)
            # A filter that the server does not know it drops without a word.
            fitting = [each for each in found if not origin or each.origin == origin]
            return tuple([await self._filled(server, each) for each in fitting[: max(0, limit)]])

        return await self._answer(ask, lambda other: other.search(query, limit=limit, origin=origin))

    async def read(self, ref: str) -> Passage:
        """Return a passage in full.

        Raises:
            KnowledgeError: If the server has none of that name.
        """

        async def ask(server: _Server) -> Passage:
            found = passages_of(await server.ask(self.tools.read, {"ref": ref}), self.tools.passage)
            if not found:
                raise KnowledgeError(f"{self.url!r} has no passage {ref!r}: search for it first")
            return found[0]

        return await self._answer(ask, lambda other: other.read(ref))

    async def _filled(self, server: _Server, passage: Passage) -> Passage:
        """Read a passage that was only named."""
        if passage.text or not passage.ref or not self.tools.read:
            return passage
        full = passages_of(await server.ask(self.tools.read, {"ref": passage.ref}), self.tools.passage)
        if not full:
            return passage
        return Passage(
            text=full[0].text,
            title=full[0].title or passage.title,
            address=full[0].address or passage.address,
            origin=full[0].origin or passage.origin,
            ref=passage.ref,
            score=passage.score,
        )

    async def _answer(
        self, ask: Callable[[_Server], Awaitable[T]], otherwise: Callable[[KnowledgeSource], Awaitable[T]]
    ) -> T:
        """Ask the server; the fallback when it has no answer."""
        try:
            return await self._asked(ask)
        except KnowledgeError as error:
            if self.fallback is None:
                raise
            _log.warning("knowledge falls back: %s", error)
            return await otherwise(self.fallback)

    async def _asked(self, ask: Callable[[_Server], Awaitable[T]]) -> T:
        said = ""
        with anyio.move_on_after(self.deadline):
            for _ in range(self.attempts):
                try:
                    async with self._connected() as server:
                        return await ask(server)
                except Exception as error:  # whatever a server or its library trips over is no answer
                    refused = _own(error)
                    if refused is not None:
                        raise refused from error
                    said = _first(error)
            raise KnowledgeError(f"{self.url!r} gave no answer: {said}")
        raise KnowledgeError(f"{self.url!r} did not answer in {self.deadline:g} s")

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[_Server, None]:
        async with (
            httpx2.AsyncClient(headers=dict(self.headers), timeout=self.deadline) as http,
            Client(
                streamable_http_client(self.url, http_client=http), read_timeout_seconds=self.deadline
            ) as client,
        ):
            yield _Server(client, await _listed(client))


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that is connected, and the tools that it has."""

    client: Client
    tools: Mapping[str, Tool]

    async def ask(
        self, calls: Sequence[ToolCall], asked: Mapping[str, object]
    ) -> tuple[Mapping[str, object], ...]:
        """Call the first of several tools that is there."""
        for call in calls:
            tool = self.tools.get(call.name)
            if tool is not None:
                result = await self.client.call_tool(call.name, _arguments(call, tool, asked))
                return records_of(_said(call, result), call)
        names = ", ".join(repr(call.name) for call in calls) or "none"
        offered = ", ".join(sorted(map(repr, self.tools))) or "none"
        raise KnowledgeError(f"the server has none of the tools {names}; it offers {clean(offered, 500)}")


async def _listed(client: Client) -> dict[str, Tool]:
    """Return the server's tools by name."""
    found: dict[str, Tool] = {}
    cursor: str | None = None
    for _ in range(_PAGES_OF_TOOLS):
        page = await client.list_tools(cursor=cursor)
        found.update((tool.name, tool) for tool in page.tools)
        cursor = page.next_cursor
        if not cursor:
            break
    return found


def _arguments(call: ToolCall, tool: Tool, asked: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments that the tool declares, under the names that it has for them."""
    declared = set(tool.input_schema.get("properties", {}))
    sent: dict[str, object] = {name: value for name, value in call.fixed.items() if name in declared}
    for role, value in asked.items():
        name = next((each for each in call.arguments.get(role, ()) if each in declared), None)
        if name is not None:
            sent[name] = value
    return sent


def _said(call: ToolCall, result: CallToolResult) -> str:
    """Return an answer's text: servers put JSON there even where they could be structured."""
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        raise KnowledgeError(f"tool {call.name!r} failed: {clean(text, 300) or 'it does not say why'}")
    wrapped = (result.structured_content or {}).get("result")
    return text or (wrapped if isinstance(wrapped, str) else "")


def _own(error: BaseException) -> KnowledgeError | None:
    """Return our own error, also out of the group that a connection wraps it in."""
    if isinstance(error, KnowledgeError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((own for each in error.exceptions if (own := _own(each)) is not None), None)
    return None


def _first(error: BaseException) -> str:
    """Name the first error in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return clean(f"{type(error).__name__}: {error}", 300)
