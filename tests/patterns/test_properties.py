"""What must hold of every recommendation, whoever asks and whatever is on offer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from fairdeploy.patterns import (
    DEPLOYMENT_PATTERNS,
    Claim,
    Control,
    CostRange,
    DeploymentPattern,
    Eligibility,
    Expertise,
    Fit,
    InstitutionRequirements,
    Level,
    Recommendation,
    Scalability,
    Status,
    recommend,
)
from tests.patterns.drawn import ASKED, needs, patterns, weights

SHELVES = st.lists(patterns(), min_size=1, max_size=3).map(
    lambda drawn: dict(zip("abc", drawn, strict=False))
)


def _ranked(advice: Recommendation) -> list[tuple[str, float, Eligibility]]:
    return [(each.key, each.percent, each.eligibility) for each in advice.assessments]


@given(needs(), SHELVES, weights(), st.randoms(use_true_random=False))
def test_order_never_matters(
    asked: InstitutionRequirements,
    shelf: dict[str, DeploymentPattern],
    given_weights: dict[str, float],
    chance: object,
) -> None:
    """Patterns, weights, criteria and rules may be given in any order."""
    advice = recommend(asked, patterns=shelf, weights=given_weights)
    backwards = InstitutionRequirements.read(
        {**asked.record(), "compliance": list(reversed(asked.compliance))}
    )
    again = recommend(
        backwards,
        patterns=dict(reversed(shelf.items())),
        weights=dict(reversed(given_weights.items())),
        criteria=list(reversed(advice.criteria)),
    )

    assert _ranked(again) == _ranked(advice)


HARDER = (
    {"sensitive_on_site": True, "data_sovereignty": True},
    {"own_services": True},
    {"region": "EU"},
    {"staff_fte": 0.2},
    {"availability_percent": 99.95},
    {"rto_hours": 0.6},
    {"rpo_hours": 0.1},
    {"deadline_days": 3},
    {"data_volume_gb": 400_000},
    {"data_sovereignty": True},
    *({"compliance": rule} for rule in ASKED),
)


@given(needs(), SHELVES, st.sampled_from(HARDER))
def test_a_further_requirement_admits_nobody(
    asked: InstitutionRequirements, shelf: dict[str, DeploymentPattern], further: dict[str, object]
) -> None:
    """What is excluded stays excluded when more is asked for."""
    answers = asked.record()
    added = {
        name: value
        for name, value in further.items()
        if name == "compliance" or answers.get(name) in (None, False)
    }
    if "compliance" in added:
        added["compliance"] = [*asked.compliance, added["compliance"]]
    assume(added)
    harder = InstitutionRequirements.read({**answers, **added})

    before = {each.key for each in recommend(asked, patterns=shelf).excluded}
    after = {each.key for each in recommend(harder, patterns=shelf).excluded}

    assert before <= after


def _with(pattern: DeploymentPattern, **changes: object) -> DeploymentPattern:
    """Return a pattern with some fields given otherwise."""
    given: dict[str, Any] = changes  # Any: the constructor reads each value
    return replace(pattern, **given)


def _better(pattern: DeploymentPattern) -> list[DeploymentPattern]:
    """Return the pattern with one attribute improved by one step, in all the ways there are."""
    found = []
    for name, kind in {"scalability": Scalability, "control_level": Control}.items():
        value = getattr(pattern, name)
        found += [_with(pattern, **{name: kind(value + 1)})] if value < max(kind) else []
    for name, low in {
        "complexity": Level,
        "maintenance_burden": Level,
        "min_technical_expertise": Expertise,
    }.items():
        value = getattr(pattern, name)
        found += [_with(pattern, **{name: low(value - 1)})] if value > min(low) else []
    for name in ("bursts", "disaster_recovery"):
        value = getattr(pattern, name)
        found += [_with(pattern, **{name: Fit(value + 1)})] if value is not None and value < Fit.FULLY else []
    if pattern.cost_range.low > 1:
        found.append(
            _with(pattern, cost_range=CostRange(pattern.cost_range.low - 1, pattern.cost_range.high))
        )
    for regime, claim in pattern.compliance_support.items():
        if claim.status.grade < 1:
            supported = {**pattern.compliance_support, regime: Claim(regime, Status.SUPPORTED)}
            found.append(_with(pattern, compliance_support=supported))
    return found


@given(needs(), SHELVES, weights(), st.data())
def test_an_improvement_never_lowers_a_rank(
    asked: InstitutionRequirements,
    shelf: dict[str, DeploymentPattern],
    given_weights: dict[str, float],
    data: st.DataObject,
) -> None:
    """A pattern that gets better in one attribute is not overtaken by one that it was ahead of."""
    key = data.draw(st.sampled_from(sorted(shelf)))
    ways = _better(shelf[key])
    assume(ways)
    better = {**shelf, key: data.draw(st.sampled_from(ways))}

    before = [each.key for each in recommend(asked, patterns=shelf, weights=given_weights).assessments]
    after = [each.key for each in recommend(asked, patterns=better, weights=given_weights).assessments]

    assert after.index(key) <= before.index(key)


@given(needs(), patterns(), st.data())
def test_a_dominated_pattern_never_wins(
    asked: InstitutionRequirements, worse: DeploymentPattern, data: st.DataObject
) -> None:
    """What is nowhere better and somewhere worse than another is not among the winners."""
    ways = _better(worse)
    assume(ways)
    better = data.draw(st.sampled_from(ways))

    advice = recommend(asked, patterns={"a-worse": worse, "better": better})

    assert better.dominates(worse)
    assert not worse.dominates(better)
    assert "a-worse" not in [each.key for each in advice.winners]


@given(needs(), SHELVES, weights(), st.floats(0.001, 1_000))
def test_only_the_proportions_of_weights_matter(
    asked: InstitutionRequirements,
    shelf: dict[str, DeploymentPattern],
    given_weights: dict[str, float],
    factor: float,
) -> None:
    """All weights times the same number is the same answer."""
    scaled = {key: weight * factor for key, weight in given_weights.items()}

    advice = recommend(asked, patterns=shelf, weights=given_weights)
    again = recommend(asked, patterns=shelf, weights=scaled)

    assert [each.key for each in again.winners] == [each.key for each in advice.winners]


@given(needs(), SHELVES)
def test_no_answer_is_above_the_institutions_skill_unflagged(
    asked: InstitutionRequirements, shelf: dict[str, DeploymentPattern]
) -> None:
    """A pattern that asks for more skill is excluded, or says that a partner is needed."""
    for each in recommend(asked, patterns=shelf).eligible:
        if each.pattern.min_technical_expertise > asked.expertise:
            assert any("partner" in condition for condition in each.conditions)


@given(needs())
def test_the_same_question_has_the_same_answer(asked: InstitutionRequirements) -> None:
    """A recommendation is a value: asked twice, it is equal."""
    assert recommend(asked) == recommend(asked)


@given(needs())
def test_every_answer_can_be_explained(asked: InstitutionRequirements) -> None:
    """The explanation names every pattern, whatever the answer."""
    text = recommend(asked).explain()

    assert all(key in text for key in DEPLOYMENT_PATTERNS)


@pytest.mark.parametrize("rule", ASKED)
@given(asked=needs())
def test_what_a_rule_excludes_nobody_can_buy_back(rule: str, asked: InstitutionRequirements) -> None:
    """No weights bring back what a rule excludes: gates come first."""
    assume(not (rule == "HIPAA" and asked.phi_holder is not None))
    answers = {**asked.record(), "compliance": [*asked.compliance, rule]}
    ruled_out = {
        key: _with(each, compliance_support=[Claim(rule, Status.UNSUPPORTED)])
        for key, each in DEPLOYMENT_PATTERNS.items()
    }

    advice = recommend(InstitutionRequirements.read(answers), patterns=ruled_out, weights={"compliance": 0})

    assert advice.best is None
