"""Gates, then score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairdeploy.errors import InvalidInput, Refused
from fairdeploy.patterns._read import text
from fairdeploy.patterns.assessment import Assessment, Score, order
from fairdeploy.patterns.catalogue import CATALOGUE_DATE, CATALOGUE_VERSION, DEPLOYMENT_PATTERNS
from fairdeploy.patterns.criteria import CRITERIA
from fairdeploy.patterns.criterion import Criterion, Grade, read_weights
from fairdeploy.patterns.gate import GATES, pass_gates
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.recommendation import Recommendation
from fairdeploy.patterns.requirements import InstitutionRequirements

__all__ = ["recommend", "recommend_deployment_pattern", "relaxing"]


def recommend(
    requirements: InstitutionRequirements,
    *,
    weights: Mapping[str, float] | None = None,
    patterns: Mapping[str, DeploymentPattern] | None = None,
    criteria: Sequence[Criterion] | None = None,
) -> Recommendation:
    """Judge every pattern for an institution: which can be chosen, and which of them is best.

    Args:
        requirements: What the institution asks for.
        weights: How much criteria count; what is left out keeps its own weight. Only their proportions matter.
        patterns: The patterns to judge, the catalogue's six unless said otherwise.
        criteria: What is weighed, `CRITERIA` unless said otherwise. Add yours: ``[*CRITERIA, mine]``.

    Returns:
        All patterns with reasons. The same for the same input, in whatever order it is given.

    Raises:
        InvalidInput: If a weight is negative or names no criterion, or there is no pattern.

    Example:
        >>> needs = InstitutionRequirements(
        ...     budget="low",
        ...     compliance=["GDPR"],
        ...     expertise="basic",
        ...     expected_growth="low",
        ...     data_sovereignty=True,
        ... )
        >>> recommend(needs).best.key
        'on_premise_single'
    """
    if not isinstance(requirements, InstitutionRequirements):
        raise InvalidInput(f"requirements must be InstitutionRequirements, not {requirements!r}")
    judged = DEPLOYMENT_PATTERNS if patterns is None else patterns
    if not isinstance(judged, Mapping) or not judged:
        raise InvalidInput(f"patterns must map keys to at least one DeploymentPattern, not {patterns!r}")
    weighed = CRITERIA if criteria is None else _criteria(criteria)
    counted = read_weights(weights, weighed)
    assessments = [_assess(requirements, key, pattern, weighed, counted) for key, pattern in judged.items()]
    _refuse_uneven(assessments)
    return Recommendation(
        requirements=requirements,
        assessments=tuple(sorted(assessments, key=order)),
        weights=counted,
        criteria=weighed,
        catalogue=CATALOGUE_VERSION,
        date=CATALOGUE_DATE,
    )


def recommend_deployment_pattern(requirements: InstitutionRequirements) -> str:
    """Return the key of the best pattern of the catalogue; ties go by the documented order.

    Raises:
        Refused: If every pattern is excluded; the message names what to relax.
    """
    advice = recommend(requirements)
    if advice.best is None:
        raise Refused(relaxing(advice))
    return advice.best.key


def relaxing(advice: Recommendation) -> str:
    """Say which gates to relax, the fewest first, where every pattern is excluded."""
    nearest = sorted(advice.excluded, key=lambda each: (len(each.excluded_by), order(each)))
    ways = [
        f"{each.key!r} by relaxing {' and '.join(repr(gate.gate) for gate in each.excluded_by)}"
        f" ({'; '.join(gate.reason for gate in each.excluded_by)})"
        for each in nearest
    ]
    return "every pattern is excluded; the nearest can be had: " + ", or ".join(ways[:2])


def _criteria(given: Sequence[Criterion]) -> tuple[Criterion, ...]:
    """Return criteria, or say what is none."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InvalidInput(f"criteria must be a list of Criterion, not {given!r}")
    for each in given:
        if not isinstance(each, Criterion):
            raise InvalidInput(f"criteria cannot hold {each!r}: choose from CRITERIA, or make a Criterion")
    return tuple(given)


def _refuse_uneven(assessments: Sequence[Assessment]) -> None:
    """Refuse a criterion that is asked for of some patterns only: their totals could not be compared."""
    for scores in zip(*(each.scores for each in assessments), strict=True):
        if len({score.asked for score in scores}) > 1:
            raise InvalidInput(
                f"criterion {scores[0].criterion!r} grades some patterns and returns None for others: "
                "return None for all, or a Grade of 0 where it is not met"
            )


def _assess(
    needs: InstitutionRequirements,
    key: str,
    pattern: DeploymentPattern,
    criteria: Sequence[Criterion],
    weights: Mapping[str, float],
) -> Assessment:
    text(key, "pattern key", longest=60)
    if not isinstance(pattern, DeploymentPattern):
        raise InvalidInput(f"pattern {key!r} must be a DeploymentPattern, not {pattern!r}")
    scores = tuple(_score(needs, pattern, criterion, weights[criterion.key]) for criterion in criteria)
    return Assessment(key, pattern, pass_gates(needs, pattern, GATES), scores)


def _score(
    needs: InstitutionRequirements, pattern: DeploymentPattern, criterion: Criterion, weight: float
) -> Score:
    grade = criterion.grade(needs, pattern)
    if grade is None:
        return Score(criterion.key, criterion.title, weight, 1.0, "not asked for", asked=False)
    if not isinstance(grade, Grade):
        raise InvalidInput(f"criterion {criterion.key!r} must return a Grade or None, not {grade!r}")
    return Score(criterion.key, criterion.title, weight, grade.value, grade.reason, grade.sources)
