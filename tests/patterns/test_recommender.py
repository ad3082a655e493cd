"""The recommender, institution by institution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import pytest

from fairdeploy.errors import InvalidInput, Refused
from fairdeploy.patterns import (
    CRITERIA,
    DEPLOYMENT_PATTERNS,
    Claim,
    Criterion,
    DeploymentPattern,
    Eligibility,
    Expertise,
    Grade,
    InstitutionRequirements,
    Level,
    Scale,
    Source,
    Status,
    recommend,
    recommend_deployment_pattern,
)
from fairdeploy.patterns.criterion import Grader
from tests.patterns.institutions import INSTITUTIONS, Institution

SMALL = InstitutionRequirements(
    budget="low", compliance=["GDPR"], expertise="basic", expected_growth="low", data_sovereignty=True
)
SEED_PATTERN = {
    "name": "Seed",
    "complexity": "Low",
    "cost_range": "$-$$",
    "scalability": "Unlimited",
    "control_level": "Minimal",
    "compliance_support": ["GDPR", "HIPAA*", "Local regulations"],
    "min_technical_expertise": "Basic",
    "setup_time": "Minutes",
    "maintenance_burden": "Low",
}


def _pattern(**changes: object) -> DeploymentPattern:
    """Return a pattern as the seed writes it, with some fields written otherwise."""
    build: Callable[..., DeploymentPattern] = DeploymentPattern
    return build(**{**SEED_PATTERN, **changes})


@pytest.mark.parametrize("institution", INSTITUTIONS, ids=lambda each: each.name)
def test_institutions_get_the_advice_that_we_would_give(institution: Institution) -> None:
    """Each institution of the table gets the expected winner, alone."""
    advice = recommend(institution.needs)

    assert [each.key for each in advice.winners] == ([institution.winner] if institution.winner else []), (
        institution.why
    )


def test_the_table_is_large_and_every_pattern_wins_in_it() -> None:
    """There are 25 institutions at least, and each of the six patterns is right for one of them."""
    assert len(INSTITUTIONS) >= 25
    assert {each.winner for each in INSTITUTIONS} == {*DEPLOYMENT_PATTERNS, None}


def test_the_seeds_inputs_are_no_longer_degenerate() -> None:
    """Over the seed's 144 inputs most answers are no ties, and none is above the institution's skill."""
    tied = 0
    won = set()
    for budget, rules, skill, growth, sovereign in product(
        Level, ([], ["GDPR"], ["HIPAA"], ["GDPR", "HIPAA"]), Expertise, (Level.LOW, Level.HIGH), (True, False)
    ):
        needs = InstitutionRequirements(
            budget=budget,
            compliance=rules,
            expertise=skill,
            expected_growth=growth,
            data_sovereignty=sovereign,
        )
        advice = recommend(needs)
        assert advice.best is not None
        assert advice.best.pattern.min_technical_expertise <= skill
        tied += len(advice.winners) > 1
        won.add(advice.best.key)

    assert tied <= 16  # of 144; the seed's rule ties in 64
    assert {"on_premise_single", "private_cloud", "dbaas"} <= won


def test_seed_notation_is_read() -> None:
    """A pattern written as the seed writes it becomes ordered values; a star is a condition."""
    pattern = _pattern()

    assert pattern.complexity is Level.LOW
    assert str(pattern.cost_range) == "$-$$"
    assert pattern.claim("HIPAA").status is Status.CONDITIONAL
    assert pattern.claim("Local regulations").status is Status.SUPPORTED
    assert pattern.claim("NEN 7510").status is Status.UNKNOWN


def test_what_the_catalogue_does_not_say_is_a_condition() -> None:
    """An attribute that is unknown is neither yes nor no: somebody must find out."""
    needs = InstitutionRequirements.read({**SMALL.record(), "own_services": "yes", "rto_hours": "4"})

    found = recommend(needs, patterns={"seed": _pattern()}).assessment("seed")

    assert found.eligibility is Eligibility.CONDITIONAL
    assert sum("finds out" in condition for condition in found.conditions) == 3  # sovereignty too


def test_forms_are_read() -> None:
    """Case, spaces, hyphens and units in a form make no difference."""
    read = InstitutionRequirements.read(
        {
            "budget": " LOW ",
            "compliance": "iso 27001, HIPAA*",
            "expertise": "Intermediate",
            "expected_growth": "High",
            "data_sovereignty": "No",
            "users": "1,200",
            "phi_holder": "covered-entity",
            "availability_percent": "99.9 %",
        }
    )

    assert read.compliance == ("HIPAA", "ISO27001")
    assert (read.users, read.availability_percent) == (1200, 99.9)
    assert InstitutionRequirements.read(read.record()) == read


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"budget": "tiny"}, ["budget", "'tiny'", "'Low'", "'High'"]),
        ({"budget": None}, ["budget", "not given"]),
        ({"compliance": ["SOX"]}, ["compliance", "'SOX'", "'NEN 7510'"]),
        ({"compliance": 7}, ["compliance", "7"]),
        ({"data_sovereignty": "perhaps"}, ["data_sovereignty", "'perhaps'", "'yes'"]),
        ({"users": "many"}, ["users", "'many'"]),
        ({"staff_fte": -1}, ["staff_fte", "-1"]),
        ({"staff_fte": "0,5"}, ["staff_fte", "'0,5'"]),
        ({"users": 10**400}, ["users", "10000"]),
        ({"rto_hours": float("nan")}, ["rto_hours", "nan"]),
        ({"availability_percent": 101}, ["availability_percent", "101"]),
        ({"traffic": "wild"}, ["traffic", "'wild'", "'Bursty'"]),
        ({"colour": "red"}, ["'colour'", "'budget'"]),
        ({"sensitive_on_site": True, "data_sovereignty": False}, ["sensitive_on_site", "data_sovereignty"]),
        ({"phi_holder": "covered entity"}, ["phi_holder", "'HIPAA'"]),
    ],
)
def test_bad_answers_are_refused_by_name(answers: dict[str, object], words: list[str]) -> None:
    """An error names the field, the value and the choices."""
    with pytest.raises(InvalidInput) as refused:
        InstitutionRequirements.read({**SMALL.record(), **answers})

    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"budget": -1}, ["budget", "-1"]),
        ({"price": 1}, ["'price'", "'budget'"]),
        ({"budget": float("inf")}, ["budget", "inf"]),
        ({each.key: 0 for each in CRITERIA}, ["all 0"]),
        ([3, 3, 2], ["[3, 3, 2]"]),
    ],
)
def test_bad_weights_are_refused_by_name(weights: dict[str, float], words: list[str]) -> None:
    """A negative weight, an unknown criterion, or nothing to weigh."""
    with pytest.raises(InvalidInput) as refused:
        recommend(SMALL, weights=weights)

    assert all(word in str(refused.value) for word in words)


def test_bad_patterns_are_refused_by_name() -> None:
    """A pattern that cannot be read names field, value and choices; a shelf must hold something."""
    with pytest.raises(InvalidInput, match=r"setup_time cannot be 'Years'.*'Minutes'"):
        _pattern(setup_time="Years")
    with pytest.raises(InvalidInput, match=r"cost_range cannot be '\$\$\$\$'"):
        _pattern(cost_range="$$$$")
    with pytest.raises(InvalidInput, match="'GDPR' twice"):
        _pattern(compliance_support=["GDPR", "gdpr"])
    with pytest.raises(InvalidInput, match="at least one"):
        recommend(SMALL, patterns={})


def _for_some(_needs: object, pattern: DeploymentPattern) -> Grade | None:
    return Grade(0.5, "so so") if pattern.runs_services else None


@pytest.mark.parametrize(
    ("grade", "words"),
    [
        (0.5, r"grade of 'own' must be a function.*0\.5"),
        (lambda _needs, _pattern: 0.5, r"'own' must return a Grade or None, not 0\.5"),
        (lambda _needs, _pattern: Grade("0.5", "so so"), r"from 0 to 1, not '0\.5'"),  # type: ignore[arg-type]  # bad on purpose
        (_for_some, "'own' grades some patterns and returns None for others"),
    ],
)
def test_bad_criteria_are_refused_by_name(grade: Grader, words: str) -> None:
    """A criterion of one's own that cannot be compared is refused, not left to fail somewhere."""
    with pytest.raises(InvalidInput, match=words):
        recommend(SMALL, criteria=[*CRITERIA, Criterion("own", "Own", 1, grade)])


@pytest.mark.parametrize("criteria", [7, "budget", ["budget"]])
def test_what_is_no_list_of_criteria_is_refused(criteria: Sequence[Criterion]) -> None:
    """Names are not criteria."""
    with pytest.raises(InvalidInput, match=r"^criteria (must|cannot).*(7|'budget')"):
        recommend(SMALL, criteria=criteria)


def test_bad_claims_are_refused_by_name() -> None:
    """A text is no list of conditions, and a year no day."""
    with pytest.raises(InvalidInput, match="conditions of HIPAA must be a list of texts, not 'BAA'"):
        Claim("HIPAA", Status.CONDITIONAL, "BAA")  # type: ignore[arg-type]  # bad on purpose
    with pytest.raises(InvalidInput, match="date must be a day such as '2026-11-23', not 2026"):
        Source("our lawyer", "https://example.org", 2026)  # type: ignore[arg-type]  # bad on purpose


def test_what_is_dominated_is_next_and_never_said_to_win() -> None:
    """Of two with equal points the dominated one is behind, by the paragraph and after every change."""
    worse = DEPLOYMENT_PATTERNS["on_premise_single"]
    better = replace(worse, name="Better", rpo_hours=0.5)

    advice = recommend(SMALL, patterns={"a-worse": worse, "better": better})

    assert advice.best is not None
    assert advice.best.key == "better"
    assert f"Next is {worse.name}, 0 points" in advice.summary()
    assert "a-worse" not in {change.winner for change in advice.changes()}


def test_the_key_of_the_best_is_returned() -> None:
    """The seed's function returns a key."""
    assert recommend_deployment_pattern(SMALL) == "on_premise_single"


def test_ties_are_told_and_broken_in_a_documented_order() -> None:
    """Two patterns that differ in name only both win; neither dominates; the first by name is the best."""
    twin = DEPLOYMENT_PATTERNS["on_premise_single"]

    advice = recommend(SMALL, patterns={"b": twin, "a": twin})

    assert [each.key for each in advice.winners] == ["a", "b"]
    assert advice.best is advice.assessments[0]
    assert advice.margin == 0


def test_when_nothing_is_left_the_gate_to_relax_is_named() -> None:
    """No pattern is invented; the way out is said."""
    hopeless = next(each.needs for each in INSTITUTIONS if each.winner is None)

    with pytest.raises(Refused, match="'on_premise_single' by relaxing 'availability_percent'"):
        recommend_deployment_pattern(hopeless)
    assert recommend(hopeless).best is None
    assert "None of the 6 patterns" in recommend(hopeless).summary()


def test_hipaa_does_not_apply_to_those_who_are_not_under_it() -> None:
    """Who holds no PHI as HIPAA sees it meets no condition for it."""
    asked = InstitutionRequirements.read(
        {**SMALL.record(), "data_sovereignty": False, "compliance": ["HIPAA"]}
    )
    nobody = InstitutionRequirements.read({**asked.record(), "phi_holder": "nobody"})

    assert any("business associate" in each for each in recommend(asked).assessment("dbaas").conditions)
    assert not recommend(nobody).assessment("dbaas").conditions


def test_a_criterion_of_ones_own_decides() -> None:
    """Attributes and criteria of one's own need no subclass: a scale is data, a function may be one too."""
    green = _pattern(name="Green", attributes={"carbon": 10, "grade": "A"})
    grey = _pattern(name="Grey", attributes={"carbon": 90, "grade": "C"})
    carbon = Criterion("carbon", "Carbon", 5, Scale("carbon", worst=100, best=0))
    label = Criterion("label", "Label", 1, Scale("grade", grades={"A": 1, "B": 0.5}))

    advice = recommend(SMALL, patterns={"green": green, "grey": grey}, criteria=[*CRITERIA, carbon, label])

    assert advice.assessment("green").scores[-2].points == pytest.approx(4.5)
    assert advice.assessment("grey").scores[-1].grade == 0
    assert advice.assessments[0].key == "green"


def test_every_claim_has_a_source_or_says_that_nothing_was_found() -> None:
    """Facts that age carry where they are from, and when."""
    for key, pattern in DEPLOYMENT_PATTERNS.items():
        for claim in pattern.compliance_support.values():
            assert claim.sources or "nothing was found" in claim.note, (key, claim.regime)


def test_where_the_seed_is_out_of_date_the_facts_count() -> None:
    """Supabase signs agreements, and hybrid is conditional: the notes say that the seed says otherwise."""
    for key in ("dbaas", "hybrid_cloud", "private_cloud"):
        claim = DEPLOYMENT_PATTERNS[key].claim("HIPAA")
        assert claim.status is Status.CONDITIONAL
        assert "the seed says" in claim.note


def test_the_explanation_gives_reasons_and_sources() -> None:
    """Every gate and point, numbered sources, and what would change the answer."""
    text = recommend(SMALL).explain()

    assert "We recommend Single Server On-Premise." in text
    assert "What would change the answer" in text
    assert "[1] GDPR, articles 28 and 32, 2016-04-27, https://eur-lex.europa.eu" in text
    assert "no   SOVEREIGNTY: data sovereignty is unsupported" in text
    assert "not legal advice" in text


def test_the_schema_of_a_form_names_every_field() -> None:
    """The schema allows what is read, and nothing else."""
    schema = InstitutionRequirements.json_schema()

    assert schema["properties"].keys() >= SMALL.record().keys()  # type: ignore[attr-defined]  # a JSON object
    assert schema["required"] == ["budget", "compliance", "expertise", "expected_growth", "data_sovereignty"]
