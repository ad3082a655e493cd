from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from fairdeploy.analysis.chart import CanaryChart, Moment, Seen
from fairdeploy.analysis.rate import rate_bounds
from fairdeploy.errors import InvalidInput
from fairdeploy.model import CheckResult, Finding, HealthStatus, Severity, ValidationResult, Verdict
from fairdeploy.validation import concluded
from tests.validation.findings import finding, some_findings

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script> [red]not markup[/red] \x1b[31m"

Shown = ValidationResult | HealthStatus | CheckResult
SHOWN: dict[str, Shown] = {
    "a report": concluded(
        [finding(EVIL, each, passed=False) for each in Severity], target="shop/production", at=NOW
    ),
    "an empty report": ValidationResult(passed=True),
    "a status": HealthStatus(
        healthy=False,
        checks={
            "fine": CheckResult(Verdict.PASS, "well"),
            EVIL: CheckResult(
                Verdict.FAIL, EVIL, evidence={"errors": [3, 400], "rate": 0.75, "where": {"a": EVIL}}
            ),
            "lost": CheckResult(Verdict.NO_DATA, "no series", evidence=[]),
        },
    ),
    "an empty status": HealthStatus(healthy=True),
    "a result": CheckResult(Verdict.INCONCLUSIVE, EVIL, evidence="a word"),
}


class Tags(HTMLParser):
    """Counts tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must be the last one opened."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("value", SHOWN.values(), ids=SHOWN)
def test_html_is_whole_and_escaped(value: Shown) -> None:
    """Every tag is closed, and what somebody wrote is no tag."""
    tags = Tags()
    tags.feed(value._repr_html_())
    assert tags.open == []
    assert "script" not in tags.seen


@pytest.mark.parametrize("value", SHOWN.values(), ids=SHOWN)
@pytest.mark.parametrize("width", [40, 200])
def test_a_terminal_of_any_width_shows_all_words_and_obeys_none(value: Shown, width: int) -> None:
    """Text is folded and never cut; brackets are no markup, and escapes reach no terminal."""
    console = Console(width=width, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(value)
    text = captured.get()
    assert "\x1b[31m" not in text
    if "script" in value._repr_html_():
        assert "[red]" in text.replace("\n", "").replace(" ", "")
    assert all(len(line) <= width for line in text.splitlines())


def test_what_is_wrong_comes_first_in_a_status_and_its_figures_below() -> None:
    """A status is read when something is wrong."""
    text = str(SHOWN["a status"])
    assert text.splitlines()[0] == "Not healthy: 2 of 3 checks not passed"
    assert "fail" in text.splitlines()[1]
    assert "errors 3–400, rate 0.75" in text
    assert str(SHOWN["an empty status"]).startswith("Healthy: nothing was checked")


@given(st.lists(some_findings(), max_size=6))
def test_every_bad_finding_is_shown_with_its_remedy(findings: list[Finding]) -> None:
    """In text and in HTML."""
    result = concluded(findings, target="shop/test", at=NOW)
    bad = sum(not each.passed for each in findings)
    assert str(result).count("→ mend it") == bad
    assert result._repr_html_().count("→ mend it") == bad


# The chart.

counted = st.tuples(st.integers(0, 5_000), st.floats(0, 1)).map(
    lambda seen: Seen(seen[0], int(seen[0] * seen[1]))
)
named = st.text(min_size=1, max_size=80)


@given(
    named, st.just("") | named, st.lists(st.tuples(counted, counted, st.floats(0, 100)), max_size=8), named
)
def test_any_chart_is_whole_and_stays_in_its_picture(
    candidate: str, baseline: str, looks: list[tuple[Seen, Seen, float]], mark: str
) -> None:
    """Whatever the names and numbers, also none at all: it can be read as XML, and nothing leaves the frame."""
    chart = CanaryChart(candidate, baseline).with_mark(1.0, mark)
    for number, (one, two, percent) in enumerate(looks):
        chart = chart.with_moment(Moment(seconds=number, candidate=one, baseline=two, percent=percent))
    drawn = ET.fromstring(chart.svg())  # noqa: S314 -- our own picture
    for shape in drawn.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in shape.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 760
            assert 0 <= y <= 420
    assert str(chart)


def test_a_chart_without_requests_says_so() -> None:
    """An empty picture would look broken."""
    assert "no requests yet" in CanaryChart("2.0-a", "1.0-b").svg()
    assert "no requests yet" in str(CanaryChart("2.0-a", "1.0-b"))


def test_a_long_rollout_keeps_a_bounded_number_of_points() -> None:
    """The last look is always there."""
    chart = CanaryChart("2.0-a")
    for second in range(2_000):
        chart = chart.with_moment(Moment(seconds=second))
    assert len(chart.moments) <= 400
    assert chart.moments[-1].seconds == 1_999
    assert chart.moments[0].seconds == 0


def test_impossible_counts_and_times_are_refused() -> None:
    """More errors than requests, or a look before the last one."""
    with pytest.raises(InvalidInput, match="from 0 to the 1 requests"):
        Seen(1, 2)
    with pytest.raises(InvalidInput, match="order of time"):
        CanaryChart("a").with_moment(Moment(seconds=2)).with_moment(Moment(seconds=1))
    with pytest.raises(InvalidInput, match="alpha"):
        rate_bounds(0, 1, alpha=0)


@given(st.integers(0, 20_000), st.floats(0, 1), st.floats(0.001, 0.5))
def test_bounds_hold_the_mean_and_narrow_with_alpha(requests: int, share: float, alpha: float) -> None:
    """They are rates, around what was seen, and wider the surer they are to be."""
    errors = int(requests * share)
    low, high = rate_bounds(errors, requests, alpha=alpha)
    surer = rate_bounds(errors, requests, alpha=alpha / 2)
    assert 0 <= surer[0] <= low <= high <= surer[1] <= 1
    if requests:
        assert low - 1e-9 <= errors / requests <= high + 1e-9


def test_bounds_hold_at_every_look_as_often_as_they_say() -> None:
    """Of 150 seeded runs, each looked at 40 times, no more than 5 % ever leave their band."""
    from random import Random  # noqa: PLC0415 -- one test needs it

    out = 0
    for seed in range(150):
        chance, errors = Random(seed), 0
        for number in range(1, 801):
            errors += chance.random() < 0.05
            if number % 20 == 0:
                low, high = rate_bounds(errors, number)
                if not low <= 0.05 <= high:
                    out += 1
                    break
    assert out <= 7
