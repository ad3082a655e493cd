"""Passages beside a recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

from fairdeploy.patterns.gate import Eligibility
from fairdeploy.patterns.recommendation import Recommendation
from fairdeploy.protocols.knowledge import KnowledgeSource, Passage

__all__ = ["CitedAdvice", "cite"]

_QUOTED = 280


@final
@dataclass(frozen=True, slots=True)
class CitedAdvice:
    """A recommendation with what others wrote about its winner.

    The passages change nothing: neither the ranking nor its reasons are made from them.

    Args:
        advice: The recommendation.
        passages: What was found, by what was looked up.
    """

    advice: Recommendation
    passages: Mapping[str, tuple[Passage, ...]]

    def to_markdown(self) -> str:
        """Return the decision matrix, and the passages as quotations with their addresses."""
        lines = [self.advice.to_markdown(), "What others write (quoted, not checked):", ""]
        for query, found in self.passages.items():
            lines += [f"- {_inline(query)}", *(_quotation(each) for each in found)]
        return "\n".join([*lines, ""])


async def cite(advice: Recommendation, source: KnowledgeSource, *, limit: int = 2) -> CitedAdvice:
    """Look up the winner, and each rule that it meets under conditions.

    Args:
        advice: The recommendation.
        source: Where to look.
        limit: How many passages for each question, from 1.

    Returns:
        The same recommendation with passages; without any if nothing can be recommended.

    Raises:
        KnowledgeError: If the source has no answer, and nothing to fall back on.
    """
    best = advice.best
    queries = []
    if best is not None:
        queries.append(f"{best.pattern.name} deployment")
        queries += [
            f"{gate.gate} {best.key.replace('_', ' ')}"
            for gate in best.gates
            if gate.eligibility is Eligibility.CONDITIONAL
        ]
    found = {query: await source.search(query, limit=limit) for query in queries}
    return CitedAdvice(advice, MappingProxyType(found))


def _quotation(passage: Passage) -> str:
    text = _inline(passage.text)
    shown = text if len(text) <= _QUOTED else f"{text[:_QUOTED].rstrip()} …"
    return f"  > {shown} ({_inline(passage.title)}, `{passage.address.replace('`', '')}`)"


def _inline(text: str) -> str:
    """Return a text on one line that is no markup: what is quoted stays a quotation."""
    kept = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "#", "|", "!"):
        kept = kept.replace(mark, f"\\{mark}")
    return kept
