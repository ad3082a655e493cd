"""Sensitivity, changes, renderings, scenarios, JSON and YAML."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from fairdeploy.errors import InvalidInput, MissingDependency
from fairdeploy.patterns import (
    CRITERIA,
    DEPLOYMENT_PATTERNS,
    ChangeKind,
    Criterion,
    DeploymentPattern,
    Grade,
    InstitutionRequirements,
    Level,
    Recommendation,
    Scale,
    recommend,
)
from fairdeploy.patterns._extra import needed
from fairdeploy.patterns.gate import GATES
from fairdeploy.patterns.reading import told, watched
from fairdeploy.patterns.scenario import compare
from fairdeploy.patterns.sensitivity import share, simplex
from fairdeploy.patterns.yaml import read_catalogue, read_requirements
from tests.patterns.drawn import needs, patterns
from tests.patterns.institutions import INSTITUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

HYBRID = recommend(next(each.needs for each in INSTITUTIONS if each.winner == "hybrid_cloud"))
CLOSE = recommend(
    InstitutionRequirements(
        budget="medium",
        compliance=["GDPR", "HIPAA"],
        expertise="intermediate",
        expected_growth="high",
        data_sovereignty=True,
    )
)
NOBODY = recommend(next(each.needs for each in INSTITUTIONS if each.winner is None))


@given(st.integers(1, 9))
def test_the_simplex_is_filled_evenly(dimensions: int) -> None:
    """Every weight is positive, and each criterion gets its share on average."""
    columns = simplex(dimensions, 2_000)

    weightings = list(zip(*columns, strict=True))
    means = [
        sum(row[place] / sum(row) for row in weightings) / len(weightings) for place in range(dimensions)
    ]
    assert all(weight > 0 for row in weightings for weight in row)
    assert means == pytest.approx([1 / dimensions] * dimensions, abs=0.02)


@given(needs())
def test_shares_of_ranks_sum_to_one(asked: InstitutionRequirements) -> None:
    """Each pattern that can be chosen has some rank in every weighting; leaving one out turns nobody around."""
    found = recommend(asked).sensitivity(points=200)

    assert all(sum(shares) == pytest.approx(1) for shares in found.acceptability.values())
    assert not found.reversals
    assert found.wins("nobody") == 0


def _graded(
    grades: dict[str, tuple[float, float]],
    place: int,
    needs: InstitutionRequirements,
    pattern: DeploymentPattern,
) -> Grade:
    return Grade(grades[pattern.name][place], "as said")


def test_acceptability_is_what_geometry_says() -> None:
    """With two criteria and two patterns, the share is the part of the line on which one is ahead."""
    one, other = (DEPLOYMENT_PATTERNS[key] for key in ("on_premise_single", "on_premise_cluster"))
    grades = {one.name: (1.0, 0.0), other.name: (0.0, 0.5)}
    criteria = [Criterion(f"c{place}", f"C{place}", 1, partial(_graded, grades, place)) for place in (0, 1)]
    advice = recommend(INSTITUTIONS[9].needs, patterns={"a": one, "b": other}, criteria=criteria)
    both = recommend(
        InstitutionRequirements(
            budget="high", compliance=[], expertise="advanced", expected_growth="low", data_sovereignty=False
        ),
        patterns={"a": one, "b": other},
        criteria=criteria,
    )

    assert [each.key for each in advice.eligible] == ["b"]  # 60 TB do not fit on one machine
    # a is ahead where w0 > w1 / 2: on two thirds of the line w0 + w1 = 1.
    assert both.sensitivity(10_000).wins("a") == pytest.approx(2 / 3, abs=0.005)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "none"), (0.01, "under 5 %"), (0.834, "about 85 %"), (0.99, "over 95 %"), (1, "all")],
)
def test_shares_are_no_finer_than_what_went_in(value: float, words: str) -> None:
    """Steps of 5 %, and no 99.7 %."""
    assert share(value) == words


@given(needs())
def test_every_change_changes_the_winner(asked: InstitutionRequirements) -> None:
    """What is said to change the answer does, when it is done."""
    advice = recommend(asked)
    for change in advice.changes():
        if change.kind is ChangeKind.WEIGHT:
            side, at = change.after.split()
            nudged = float(at) * (1.2 if side == "over" else 0.8)  # the text is rounded to two digits
            again = recommend(asked, weights={change.field: nudged})
            assert advice.best is not None
            assert [each.key for each in again.winners] != [advice.best.key] or nudged == 0
        else:
            assert advice.best is not None
            assert change.winner != advice.best.key


@given(needs())
def test_an_answer_given_otherwise_is_worked_out_as_if_asked_anew(asked: InstitutionRequirements) -> None:
    """The short way to another answer comes to what the long way comes to."""
    wordings = {"yes": True, "no": False}
    for change in recommend(asked).changes():
        if change.kind in {ChangeKind.ANSWER, ChangeKind.FACT}:
            value: object = wordings.get(change.after, change.after)
            if change.field == "compliance":
                value = [] if change.after == "none" else change.after.split(", ")
            again = recommend(InstitutionRequirements.read({**asked.record(), change.field: value}))
            assert (again.best.key if again.best else None) == change.winner, change


@given(needs(), patterns())
def test_gates_and_criteria_read_no_more_than_they_tell(
    asked: InstitutionRequirements, pattern: DeploymentPattern
) -> None:
    """What would change the answer is looked for among the fields that are told to be read."""
    for gate in GATES:
        assert watched(gate, asked, pattern) <= told(gate), gate
    for criterion in CRITERIA:
        assert watched(criterion.grade, asked, pattern) <= told(criterion.grade), criterion.key


def test_a_number_that_was_given_may_be_what_decides() -> None:
    """What each pattern reaches is tried in its place, the nearest first."""
    answers = {**CLOSE.requirements.record(), "compliance": ["GDPR"], "expertise": "advanced"}
    found = recommend(
        InstitutionRequirements.read({**answers, "availability_percent": 99.5, "staff_fte": 2})
    ).changes()

    assert "if availability_percent were 99.95 instead of 99.5, public_cloud wins" in map(str, found)
    staff = [change for change in found if change.field == "staff_fte"]
    assert [change.size for change in staff] == sorted(change.size for change in staff)
    assert len({change.winner for change in staff}) == len(staff) > 0


def _few_answers(asked: InstitutionRequirements, pattern: DeploymentPattern) -> Grade:
    """Grade small patterns by how little was answered."""
    return Grade(1.0 if len(asked.record()) < 7 and pattern.complexity is Level.LOW else 0.0, "it is early")


def test_what_a_criterion_reads_in_another_way_than_by_name_is_seen() -> None:
    """A criterion of one's own that asks for all answers at once is asked again for every change."""
    six = {"compliance": [], "data_sovereignty": False, "users": 10, "expertise": "advanced"}
    six |= {"budget": "high", "expected_growth": "high"}
    criteria = [*CRITERIA, Criterion("early", "Early days", 20, _few_answers)]
    few = recommend(InstitutionRequirements.read(six), criteria=criteria)
    more = recommend(InstitutionRequirements.read({**six, "rto_hours": 4}), criteria=criteria)
    assert few.best is not None
    assert more.best is not None

    assert more.best.key != few.best.key
    assert (more.best.key, "rto_hours", "4") in {
        (change.winner, change.field, change.after) for change in few.changes()
    }


def test_the_smallest_change_is_told_to_the_board() -> None:
    """The paragraph for a board ends with what would change the answer."""
    assert f"changes the answer: {CLOSE.changes()[0]}." in CLOSE.summary()


class _Table(HTMLParser):
    """Reads which tags there are, and that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("advice", [HYBRID, CLOSE, NOBODY], ids=["hybrid", "close", "nobody"])
def test_html_can_be_read_without_seeing_it(advice: Recommendation) -> None:
    """A caption, headings with their scope, and words where colour would not be seen; no colours of our own."""
    text = advice.to_html()
    table = _Table(text)

    assert not table.open
    assert sum(attrs.get("scope") == "row" for _, attrs in table.seen) == 6
    assert sum(tag == "caption" for tag, _ in table.seen) == 1
    assert text.count("(recommended)") == len(advice.winners)
    assert "#" not in text.split("</style>")[0]
    assert advice._repr_html_() == text


def test_names_are_text_in_every_rendering() -> None:
    """A name that looks like markup is shown as it is written."""
    evil = "<script>alert(1)</script> [red]|`x`"
    pattern = next(iter(recommend(INSTITUTIONS[0].needs).assessments)).pattern
    build = type(pattern)
    record = {name: getattr(pattern, name) for name in build.__dataclass_fields__}
    advice = recommend(INSTITUTIONS[0].needs, patterns={"evil": build(**{**record, "name": evil})})

    assert "<script>" not in advice.to_html()
    assert "<script>" not in advice.to_markdown()
    assert "[red]" in _drawn(advice)


def _drawn(advice: Recommendation) -> str:
    file = StringIO()
    Console(file=file, width=160).print(advice)
    return file.getvalue()


def test_text_and_markdown_hold_every_pattern() -> None:
    """Each rendering shows all six, and which of them wins."""
    for key, pattern in DEPLOYMENT_PATTERNS.items():
        assert pattern.name.split()[0] in _drawn(HYBRID), key
        assert pattern.name in HYBRID.to_markdown()
    assert "**Hybrid Cloud**" in HYBRID.to_markdown()
    assert HYBRID._repr_markdown_() == HYBRID.to_markdown()


def test_a_frame_has_a_row_a_pattern() -> None:
    """The frame is indexed by pattern, and sums to the totals."""
    frame = HYBRID.to_frame()

    assert list(frame.index) == [each.key for each in HYBRID.assessments]
    assert frame.loc["hybrid_cloud", "verdict"] == "eligible if"
    assert str(frame.loc["dbaas", "excluded_by"]).startswith("SOVEREIGNTY, sensitive_on_site")


@pytest.fixture
def canvas() -> Iterator[None]:
    """Draw without a screen, and close what was drawn."""
    import matplotlib as mpl  # noqa: PLC0415 -- one test needs it
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- as above

    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.mark.usefixtures("canvas")
@pytest.mark.parametrize("kind", ["matrix", "acceptability", "parallel"])
@pytest.mark.parametrize("advice", [HYBRID, CLOSE, NOBODY], ids=["hybrid", "close", "nobody"])
def test_plots_can_be_drawn(kind: str, advice: Recommendation) -> None:
    """Every kind of picture is drawn with a title, and names who is in it."""
    axes = advice.plot(kind)
    axes.figure.canvas.draw()

    assert axes.get_title()
    words = [each.get_text() for each in [*axes.get_yticklabels(), *axes.get_xticklabels()]]
    legend = axes.get_legend()
    words += [each.get_text() for each in legend.get_texts()] if legend else []
    assert all(any(each.key in word for word in words) for each in advice.eligible)


def test_an_unknown_plot_is_refused() -> None:
    """The error names what can be drawn."""
    with pytest.raises(InvalidInput, match=r"'pie'.*'matrix', 'acceptability', 'parallel'"):
        HYBRID.plot("pie")


def test_a_missing_library_is_named_with_its_extra() -> None:
    """The error says what to install."""
    with pytest.raises(MissingDependency, match=r'pip install "fairdeploy\[notebook\]"'):
        needed("no_such_library", "notebook")


def test_nothing_heavy_is_imported() -> None:
    """A recommendation that is explained loads neither pandas, matplotlib, httpx, mcp, rich nor pydantic."""
    program = (
        "import sys\n"
        "from fairdeploy.patterns import InstitutionRequirements, recommend\n"
        "needs = InstitutionRequirements(budget='low', compliance=['GDPR'], expertise='basic', expected_growth='low', data_sovereignty=True)\n"
        "advice = recommend(needs)\n"
        "advice.explain(), advice.sensitivity(), advice.to_html(), advice.to_markdown(), advice.to_json()\n"
        "heavy = {'pandas', 'numpy', 'matplotlib', 'httpx', 'mcp', 'rich', 'pydantic', 'ruamel', 'anyio'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules} - {'anyio'}))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=250
    )

    assert ran.stdout.strip() == "[]"


def test_scenarios_stand_side_by_side() -> None:
    """Who wins in each, and what can be chosen in all of them."""
    answers = CLOSE.requirements.record()
    ways = {
        "as it is": CLOSE,
        "less money": recommend(InstitutionRequirements.read({**answers, "budget": "low"})),
        "own programs": recommend(InstitutionRequirements.read({**answers, "own_services": True})),
    }

    compared = compare(ways)

    assert set(compared.robust) <= {each.key for each in CLOSE.eligible}
    assert compared.robust
    assert "excluded" in compared.to_markdown()
    assert list(compared.to_frame().columns) == list(ways)
    assert str(compared).startswith("as it is: ")
    with pytest.raises(InvalidInput, match="at least one"):
        compare({})


@given(needs())
def test_a_recommendation_survives_being_written(asked: InstitutionRequirements) -> None:
    """What is read back is equal to what was written."""
    advice = recommend(asked)

    assert Recommendation.from_json(advice.to_json()) == advice


def test_the_record_names_the_catalogue() -> None:
    """Version and date of the facts are in it."""
    assert json.loads(HYBRID.to_json())["catalogue"] == {"version": "1", "date": "2026-11-23"}


def test_a_forged_record_is_refused() -> None:
    """A record cannot claim another winner than its requirements have."""
    record = json.loads(HYBRID.to_json())
    record["result"]["winners"] = ["dbaas"]

    with pytest.raises(InvalidInput, match="make the recommendation anew"):
        Recommendation.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"schema": "fairdeploy.recommendation/9"}'])
def test_what_is_no_record_is_refused(text: str) -> None:
    """Neither a broken nor a foreign nor a deep text gets past the border."""
    with pytest.raises(InvalidInput):
        Recommendation.from_json(text)


def test_criteria_of_ones_own_are_written_or_given_again() -> None:
    """A scale is data and travels; a function must be given again."""
    scale = Criterion("carbon", "Carbon", 2, Scale("carbon", worst=9, best=0))
    function = Criterion("taste", "Taste", 1, lambda _needs, _pattern: Grade(0.5, "a matter of taste"))
    advice = recommend(HYBRID.requirements, criteria=[*CRITERIA, scale])
    private = recommend(HYBRID.requirements, criteria=[*CRITERIA, function])

    assert Recommendation.from_json(advice.to_json()) == advice
    assert Recommendation.from_json(private.to_json(), criteria=[function]) == private
    with pytest.raises(InvalidInput, match="'taste' is a function"):
        Recommendation.from_json(private.to_json())


YAML = """
patterns:
  edge:
    name: A box in every clinic
    complexity: Medium
    cost_range: $-$$
    scalability: Moderate
    control_level: Full
    compliance_support:
      - GDPR
      - regime: HIPAA
        status: conditional
        conditions: [disks are encrypted]
        sources: [{title: our lawyer, address: "https://example.org/memo", date: 2026-01-31}]
    min_technical_expertise: Basic
    setup_time: Days
    maintenance_burden: Low
    staff_fte: [0.1, 0.3]
    attributes: {carbon: 3}
criteria:
  - budget
  - {key: carbon, title: Carbon, weight: 2, scale: {attribute: carbon, worst: 10, best: 0}}
"""


def test_patterns_and_criteria_come_from_yaml() -> None:
    """A file of one's own is read as the constructors would."""
    read = read_catalogue(YAML)
    asked = InstitutionRequirements(
        budget="low", compliance=["HIPAA"], expertise="basic", expected_growth="low", data_sovereignty=False
    )

    advice = recommend(asked, patterns={**DEPLOYMENT_PATTERNS, **read.patterns}, criteria=read.criteria)

    assert advice.best is not None
    assert advice.best.key == "edge"
    assert "disks are encrypted" in advice.best.conditions
    assert Recommendation.from_json(advice.to_json()) == advice


def test_requirements_come_from_yaml() -> None:
    """A form may be kept as YAML; a country code that looks like a boolean elsewhere stays a text."""
    text = "budget: low\ncompliance: [GDPR]\nexpertise: basic\nexpected_growth: low\ndata_sovereignty: true\nregion: NO\n"

    assert read_requirements(text).region == "NO"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "line 1 holds an anchor or alias"),
        ("patterns: {}\npatterns: {}\n", "patterns"),
        ("patterns:\n  a: {name: A}\n  a: {name: B}\n", "a"),
        ("patterns: " + "[" * 60 + "]" * 60, "more than 50 levels deep"),
        ("x" * (1 << 20) + "x", "at most 1 MiB"),
        ("patterns: !!python/object/apply:os.system ['true']", "holds a tag"),
        ("colour: red", "'colour'"),
        ("- a", "must map keys"),
        ("a: [", "cannot be read"),
        ("patterns:\n  a: {name: A}\n", "'a' needs 'complexity'"),
        (YAML.replace("Medium", "Enormous"), "pattern 'edge': complexity cannot be 'Enormous'"),
        (YAML.replace("carbon: 3", "carbon: [3]"), "'carbon'"),
        (YAML.replace("weight: 2", "weight: -2"), "weight of 'carbon'"),
        (YAML.replace("2026-01-31", "soon"), "'soon'"),
        (YAML.replace("weight: 2", f"weight: {'9' * 400}"), "weight of 'carbon'"),
        (
            YAML.replace("{attribute: carbon, worst: 10, best: 0}", "{worst: 10, best: 0}"),
            "attribute of 'carbon'",
        ),
    ],
    ids=[
        "bomb",
        "twice",
        "twice within",
        "deep",
        "large",
        "tag",
        "unknown",
        "list",
        "broken",
        "short",
        "word",
        "attribute",
        "weight",
        "date",
        "huge",
        "nameless scale",
    ],
)
def test_bad_yaml_is_refused(text: str, words: str) -> None:
    """Bombs, aliases, keys that stand twice, depth, size, tags: refused by name, before anything is built."""
    with pytest.raises(InvalidInput) as refused:
        read_catalogue(text)

    assert words in str(refused.value)
