"""Which tools of a server do what, as data: servers rename them, so each has several names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import final

from fairdeploy.errors import InvalidInput

__all__ = ["ARCHON", "ToolCall", "ToolMap"]

_ROLES = {"query", "limit", "origin", "ref"}
_PASSAGE = {
    "text": ("full_content", "content", "text", "code", "summary"),
    "title": ("title", "section_title", "metadata.title", "url"),
    "address": ("url", "metadata.url", "link"),
    "origin": ("source_id", "metadata.source_id", "source"),
    "ref": ("page_id", "metadata.page_id", "id", "url"),
    "score": ("similarity_score", "similarity", "aggregate_similarity", "rerank_score", "score"),
    "id": ("source_id", "id"),
    "summary": ("summary", "description"),
}


@final
@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that may be there, and how it is called.

    Args:
        name: The tool's name.
        arguments: For ``query``, ``limit``, ``origin`` and ``ref``: the names that the argument may have, the newest first.
            What the server does not declare is not sent.
        fixed: Arguments that are always the same, sent if declared.
        results: Where in the answer the list (or the one thing) is: keys, the newest first.
    """

    name: str
    arguments: Mapping[str, tuple[str, ...]]
    fixed: Mapping[str, str | float | bool] = field(default_factory=dict)
    results: tuple[str, ...] = ("results",)

    def __post_init__(self) -> None:
        """Refuse what is no call."""
        unknown = sorted(set(self.arguments) - _ROLES)
        if unknown or not self.name:
            raise InvalidInput(
                f"tool {self.name!r} maps {unknown!r}: map only {', '.join(map(repr, sorted(_ROLES)))}"
            )
        arguments = {role: tuple(names) for role, names in self.arguments.items()}
        object.__setattr__(self, "arguments", MappingProxyType(arguments))
        object.__setattr__(self, "fixed", MappingProxyType(dict(self.fixed)))
        object.__setattr__(self, "results", tuple(self.results))


@final
@dataclass(frozen=True, slots=True)
class ToolMap:
    """What a server offers, in the order in which to try it.

    Args:
        search: Tools that search.
        read: Tools that give a passage in full.
        sources: Tools that list bodies of text; may be empty.
        passage: For each field of a passage: where in an answer it may be, dots for what is nested.
    """

    search: tuple[ToolCall, ...]
    read: tuple[ToolCall, ...] = ()
    sources: tuple[ToolCall, ...] = ()
    passage: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType(_PASSAGE))

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> ToolMap:
        """Return a map from plain data, such as JSON or TOML holds it.

        Raises:
            InvalidInput: If a key is unknown or missing.
        """
        known = {each.name for each in fields(cls)}
        unknown = sorted(map(str, set(config) - known))
        if unknown or "search" not in config:
            raise InvalidInput(
                f"a tool map needs 'search' and may have {', '.join(sorted(known))}; not {unknown!r}"
            )
        lists = {name: _calls(config[name], name) for name in ("search", "read", "sources") if name in config}
        passage = config.get("passage", {})
        if not isinstance(passage, Mapping) or not set(passage) <= set(_PASSAGE):
            raise InvalidInput(f"passage must map some of {', '.join(_PASSAGE)}, not {passage!r}")
        merged = {**_PASSAGE, **{str(name): tuple(map(str, paths)) for name, paths in passage.items()}}
        return cls(**lists, passage=MappingProxyType(merged))


def _calls(value: object, name: str) -> tuple[ToolCall, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidInput(f"{name} must be a list of tools, not {value!r}")
    known = {each.name for each in fields(ToolCall)}
    for each in value:
        if not isinstance(each, Mapping) or not {"name", "arguments"} <= set(each) <= known:
            raise InvalidInput(
                f"a tool in {name!r} needs 'name' and 'arguments', and may have {', '.join(sorted(known))}; not {each!r}"
            )
    return tuple(ToolCall(**each) for each in value)


_SEARCH = {"query": ("query",), "limit": ("match_count",), "origin": ("source_id", "source_domain", "source")}

ARCHON = ToolMap(
    search=(
        ToolCall("rag_search_knowledge_base", _SEARCH),
        ToolCall("perform_rag_query", _SEARCH),
        ToolCall("rag_search_code_examples", _SEARCH),
        ToolCall("search_code_examples", _SEARCH),
    ),
    read=(ToolCall("rag_read_full_page", {"ref": ("page_id", "url")}, results=("page",)),),
    sources=(
        ToolCall("rag_get_available_sources", {}, results=("sources",)),
        ToolCall("get_available_sources", {}, results=("sources",)),
    ),
)
"""Archon's tools in all their names since 2025-08 (v1, which upstream has archived)."""
