"""What a tool answered, as values. It is somebody else's text: bounded, and without what a terminal would obey."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from fairdeploy.errors import KnowledgeError
from fairdeploy.knowledge.tool_map import ToolCall
from fairdeploy.protocols.knowledge import KnowledgeOrigin, Passage

__all__ = ["clean", "origins_of", "passages_of", "records_of"]

_LONGEST = 20_000
_MOST = 100
_HIGHEST = 1e9


def records_of(text: str, call: ToolCall) -> tuple[Mapping[str, object], ...]:
    """Return the records in an answer; a text that is no JSON is one record by itself.

    Raises:
        KnowledgeError: If the answer says that it failed: such servers do not say it otherwise.
    """
    try:
        answer: object = json.loads(text)
    except (ValueError, RecursionError):
        return ({"text": text},) if text.strip() else ()
    if isinstance(answer, Mapping):
        if answer.get("success") is False:
            raise KnowledgeError(
                f"tool {call.name!r} failed: {clean(str(answer.get('error') or 'it does not say why'), 300)}"
            )
        answer = next((answer[key] for key in call.results if answer.get(key) is not None), answer)
    found = answer if isinstance(answer, Sequence) and not isinstance(answer, str) else [answer]
    return tuple(each if isinstance(each, Mapping) else {"text": str(each)} for each in found[:_MOST])


def passages_of(
    records: Sequence[Mapping[str, object]], paths: Mapping[str, Sequence[str]]
) -> tuple[Passage, ...]:
    """Return passages from records; one that says nothing about itself is left out."""
    found = []
    for record in records:
        score = _at(record, paths["score"])
        passage = Passage(
            text=clean(_text(record, paths["text"]), _LONGEST),
            title=clean(_text(record, paths["title"]), 300),
            address=clean(_text(record, paths["address"]), 2_000),
            origin=clean(_text(record, paths["origin"]), 300),
            ref=clean(_text(record, paths["ref"]), 2_000),
            score=_number(score),
        )
        if passage.text or passage.ref:
            found.append(passage)
    return tuple(found)


def origins_of(
    records: Sequence[Mapping[str, object]], paths: Mapping[str, Sequence[str]]
) -> tuple[KnowledgeOrigin, ...]:
    """Return bodies of text from records; one without a name is left out."""
    made = [
        KnowledgeOrigin(
            id=clean(_text(record, paths["id"]), 300),
            title=clean(_text(record, paths["title"]), 300),
            summary=clean(_text(record, paths["summary"]), 2_000),
        )
        for record in records
    ]
    return tuple(each for each in made if each.id)


def clean(text: str, longest: int) -> str:
    """Return a text without control characters, cut to a length."""
    kept = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text[:longest])
    return kept.strip()


def _text(record: Mapping[str, object], paths: Sequence[str]) -> str:
    value = _at(record, paths)
    return "" if value is None else str(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > _HIGHEST:
        return None
    return float(value)


def _at(record: Mapping[str, object], paths: Sequence[str]) -> object:
    """Return the first of several places that holds something."""
    for path in paths:
        value: object = record
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value not in (None, ""):
            return value
    return None
