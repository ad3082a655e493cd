"""What the catalogue knows, as passages: always there, without a network."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from math import log
from typing import final

from fairdeploy.errors import KnowledgeError
from fairdeploy.patterns.catalogue import CATALOGUE_VERSION, DEPLOYMENT_PATTERNS
from fairdeploy.patterns.cost_strategy import COST_STRATEGIES
from fairdeploy.protocols.knowledge import KnowledgeOrigin, Passage

__all__ = ["BuiltInKnowledge"]

_WORD = re.compile(r"[a-z0-9]+")
_ORIGINS = (
    KnowledgeOrigin(
        id="fairdeploy-claims",
        title="Claims about rules",
        summary="What each pattern can be said to do for a rule",
    ),
    KnowledgeOrigin(
        id="fairdeploy-costs", title="Ways to save", summary="The seed's cost strategies and when they apply"
    ),
)


@final
class BuiltInKnowledge:
    """The catalogue's claims and ways to save, with the addresses that they are from."""

    async def sources(self) -> tuple[KnowledgeOrigin, ...]:
        """Return the claims and the ways to save."""
        return _ORIGINS

    async def search(self, query: str, *, limit: int = 5, origin: str = "") -> tuple[Passage, ...]:
        """Return the passages that share the rarest words with the query."""
        wanted = set(_WORD.findall(query.casefold()))
        scored = [
            (sum(_weights().get(word, 0.0) for word in wanted & words), passage)
            for passage, words in _passages()
            if not origin or passage.origin == origin
        ]
        found = sorted((each for each in scored if each[0]), key=lambda each: (-each[0], each[1].ref))
        return tuple(_with_score(passage, score) for score, passage in found[: max(0, limit)])

    async def read(self, ref: str) -> Passage:
        """Return a passage.

        Raises:
            KnowledgeError: If there is none of that name.
        """
        for passage, _ in _passages():
            if passage.ref == ref:
                return passage
        raise KnowledgeError(f"the catalogue has no passage {ref!r}: search for it first")


def _with_score(passage: Passage, score: float) -> Passage:
    return Passage(
        text=passage.text,
        title=passage.title,
        address=passage.address,
        origin=passage.origin,
        ref=passage.ref,
        score=round(score, 3),
    )


@cache
def _passages() -> tuple[tuple[Passage, frozenset[str]], ...]:
    made = [*_claims(), *_savings()]
    return tuple(
        (each, frozenset(_WORD.findall(f"{each.title} {each.ref} {each.text}".casefold()))) for each in made
    )


@cache
def _weights() -> dict[str, float]:
    """Weigh a word by how rare it is."""
    counts = Counter(word for _, words in _passages() for word in words)
    return {word: log(1 + len(_passages()) / count) for word, count in counts.items()}


def _claims() -> list[Passage]:
    return [
        Passage(
            text=". ".join(
                filter(None, [f"{claim.title} is {claim.status.value}", claim.note, *claim.conditions])
            )
            + ".",
            title=f"{pattern.name}: {claim.title}",
            address=claim.sources[0].address if claim.sources else "docs/choosing.md",
            origin="fairdeploy-claims",
            ref=f"{CATALOGUE_VERSION}/claims/{key}/{claim.regime}",
        )
        for key, pattern in DEPLOYMENT_PATTERNS.items()
        for claim in pattern.compliance_support.values()
    ]


def _savings() -> list[Passage]:
    return [
        Passage(
            text=f"{each.text}, when {each.applies}.",
            title=f"Cost, {each.setting.value}",
            address=each.sources[-1].address,
            origin="fairdeploy-costs",
            ref=f"{CATALOGUE_VERSION}/costs/{each.key}",
        )
        for each in COST_STRATEGIES
    ]
