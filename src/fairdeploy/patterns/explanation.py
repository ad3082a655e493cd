"""The answer in words: for a board, and in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fairdeploy.patterns.changes import ChangeKind, changes
from fairdeploy.patterns.gate import Eligibility
from fairdeploy.patterns.sensitivity import share, wins

if TYPE_CHECKING:
    from fairdeploy.patterns.assessment import Assessment, Score
    from fairdeploy.patterns.changes import Change
    from fairdeploy.patterns.claim import Source
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["explain", "said", "summary"]

_POINTS = 250
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
        return _hopeless(advice)
    return _paragraph(advice, best, changes(advice))


def _hopeless(advice: Recommendation) -> str:
    from fairdeploy.patterns.recommender import relaxing  # noqa: PLC0415 -- it makes recommendations

    return f"None of the {len(advice.assessments)} patterns can be recommended: {relaxing(advice)}."


def _paragraph(advice: Recommendation, best: Assessment, found: Sequence[Change]) -> str:
    return " ".join([*_verdict(advice, best), *_doubts(advice, best, found)])


def _verdict(advice: Recommendation, best: Assessment) -> Iterator[str]:
    tied = advice.winners
    if len(tied) > 1:
        names = " and ".join(each.pattern.name for each in tied)
        yield f"{names} are equally good; {best.pattern.name} comes first because it is the easier to defend."
    else:
        yield f"We recommend {best.pattern.name}."
    strong = _strong(advice, best)
    if strong:
        yield f"What speaks for it: {'; '.join(f'{each.title.lower()} ({each.reason})' for each in strong)}."
    if best.conditions:
        yield f"It can be chosen only if {'; and '.join(best.conditions)}."
    if advice.excluded:
        out = "; ".join(f"{each.pattern.name} ({each.excluded_by[0].reason})" for each in advice.excluded)
        yield f"Excluded: {out}."


def _strong(advice: Recommendation, best: Assessment) -> list[Score]:
    """Return the two criteria in which it is furthest ahead of the others; by points where there are none."""
    others = [each for each in advice.eligible if each is not best]

    def lead(index: int) -> float:
        score = best.scores[index]
        usual = sum(each.scores[index].points for each in others) / len(others) if others else 0.0
        return score.points - usual

    asked = [index for index, score in enumerate(best.scores) if score.asked]
    return [best.scores[index] for index in sorted(asked, key=lead, reverse=True)[:2] if lead(index) > 0]


def _doubts(advice: Recommendation, best: Assessment, found: Sequence[Change]) -> Iterator[str]:
    if advice.margin is None:
        yield "Nothing else can be chosen."
        return
    if len(advice.winners) == 1:
        behind = next(each for each in advice.eligible if each is not best)
        yield f"Next is {behind.pattern.name}, {advice.margin:.0f} points of 100 behind."
    yield f"Whatever weights one gives to what was asked for, it wins in {share(wins(advice, best.key, _POINTS))} of the weightings."
    if found:
        yield f"The smallest change that changes the answer: {found[0]}."


def explain(advice: Recommendation) -> str:
    """Return every gate and every point with its reason and source, and what would change the answer."""
    cited: dict[Source, int] = {}
    best, found = advice.best, changes(advice)
    lines = [_hopeless(advice) if best is None else _paragraph(advice, best, found), ""]
    for assessment in advice.assessments:
        lines += [*_explained(assessment, cited), ""]
    lines += _changed(found)
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


def _changed(found: Sequence[Change]) -> Iterator[str]:
    if not found:
        return
    yield "What would change the answer"
    for kind in ChangeKind:
        of_kind = [each for each in found if each.kind is kind]
        yield from (f"  {each}" for each in of_kind[:6])
    yield ""
