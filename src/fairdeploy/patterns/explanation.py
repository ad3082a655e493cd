"""The answer in words: for a board, and in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fairdeploy.patterns.changes import ChangeKind, changes
from fairdeploy.patterns.gate import Eligibility
from fairdeploy.patterns.sensitivity import sensitivity, share

if TYPE_CHECKING:
    from fairdeploy.patterns.assessment import Assessment
    from fairdeploy.patterns.claim import Source
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["explain", "said", "summary"]

_POINTS = 400
"""Weightings behind a share that is written in steps of 5 %."""
_MARKS = {Eligibility.ELIGIBLE: "yes", Eligibility.CONDITIONAL: "if ", Eligibility.EXCLUDED: "no "}


def said(assessment: Assessment) -> str:
    """Return whether a pattern can be chosen, in a word or two."""
    return {
        Eligibility.ELIGIBLE: "eligible",
        Eligibility.CONDITIONAL: "eligible if",
        Eligibility.EXCLUDED: "excluded",
    }[assessment.eligibility]


def summary(advice: Recommendation) -> str:
    """Return a paragraph for a board."""
    best = advice.best
    if best is None:
        from fairdeploy.patterns.recommender import relaxing  # noqa: PLC0415 -- it makes recommendations

        return f"None of the {len(advice.assessments)} patterns can be recommended: {relaxing(advice)}."
    return " ".join([*_verdict(advice, best), *_doubts(advice, best)])


def _verdict(advice: Recommendation, best: Assessment) -> Iterator[str]:
    tied = advice.winners
    if len(tied) > 1:
        names = " and ".join(each.pattern.name for each in tied)
        yield f"{names} are equally good; {best.pattern.name} comes first because it is the easier to defend."
    else:
        yield f"We recommend {best.pattern.name}."
    strong = sorted((each for each in best.scores if each.asked), key=lambda each: -each.points)[:2]
    yield f"What speaks for it: {'; '.join(f'{each.title.lower()} ({each.reason})' for each in strong)}."
    if best.conditions:
        yield f"It can be chosen only if {'; and '.join(best.conditions)}."
    if advice.excluded:
        out = "; ".join(f"{each.pattern.name} ({each.excluded_by[0].reason})" for each in advice.excluded)
        yield f"Excluded: {out}."


def _doubts(advice: Recommendation, best: Assessment) -> Iterator[str]:
    ranked = advice.eligible
    if advice.margin is None:
        yield "Nothing else can be chosen."
        return
    if len(advice.winners) == 1:
        yield f"Next is {ranked[1].pattern.name}, {advice.margin:.0f} points of 100 behind."
    wins = sensitivity_of(advice, best)
    yield f"Whatever weights one gives to what was asked for, it wins in {wins} of the weightings."
    first = next(iter(changes(advice)), None)
    if first is not None:
        yield f"The smallest change that changes the answer: {first}."


def sensitivity_of(advice: Recommendation, best: Assessment) -> str:
    """Return the share of weightings in which a pattern wins, in words."""
    return share(sensitivity(advice, points=_POINTS).wins(best.key))


def explain(advice: Recommendation) -> str:
    """Return every gate and every point with its reason and source, and what would change the answer."""
    cited: dict[Source, int] = {}
    lines = [summary(advice), ""]
    for assessment in advice.assessments:
        lines += [*_explained(assessment, cited), ""]
    lines += _changed(advice)
    lines += ["Sources", *(f"  [{number}] {source}" for source, number in cited.items()), ""]
    lines.append(f"Catalogue {advice.catalogue} of {advice.date.isoformat()}. This is not legal advice.")
    return "\n".join(lines)


def _explained(assessment: Assessment, cited: dict[Source, int]) -> Iterator[str]:
    points = f", {assessment.percent:.0f} of 100 points" if assessment.eligible else ""
    yield f"{assessment.pattern.name} ({assessment.key}): {said(assessment).removesuffix(' if')}{points}"
    for gate in assessment.gates:
        yield f"  {_MARKS[gate.eligibility]}  {gate.gate}: {gate.reason}{_cite(gate.sources, cited)}"
        yield from (f"         if {condition}" for condition in gate.conditions)
    for score in assessment.scores:
        if score.asked:
            given = f"{score.points:.2f} of {score.weight:g}"
            yield f"  {given:>11}  {score.title}: {score.reason}{_cite(score.sources, cited)}"


def _cite(sources: tuple[Source, ...], cited: dict[Source, int]) -> str:
    return "".join(f" [{cited.setdefault(source, len(cited) + 1)}]" for source in sources)


def _changed(advice: Recommendation) -> Iterator[str]:
    found = changes(advice)
    if not found:
        return
    yield "What would change the answer"
    for kind in ChangeKind:
        of_kind = [each for each in found if each.kind is kind]
        yield from (f"  {each}" for each in of_kind[:6])
    yield ""
