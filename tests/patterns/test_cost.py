"""Cost over the years, ways to save, and what follows from the advice."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import DEPLOYMENT_PATTERNS, Range, recommend
from fairdeploy.patterns.action import ACTIONS, Reach
from fairdeploy.patterns.cost import PRICES, CostEstimate, estimate_cost
from fairdeploy.patterns.cost_strategy import COST_STRATEGIES, Setting, strategies_for
from tests.patterns.institutions import INSTITUTIONS

ROOT = Path(__file__).parents[2]
KEYS = st.sampled_from(sorted(DEPLOYMENT_PATTERNS))


@given(KEYS, st.floats(0.1, 20), st.floats(0, 10_000))
def test_costs_are_ranges_that_sum(pattern: str, years: float, data: float) -> None:
    """The parts sum to the whole, which is a range, and twice the years cost twice as much."""
    found = estimate_cost(pattern, years=years, data_gb=data)

    assert found.total.low < found.total.likely < found.total.high
    assert sum(driver.total.likely for driver in found.drivers) == pytest.approx(found.total.likely)
    assert estimate_cost(pattern, years=2 * years, data_gb=data).total.likely == pytest.approx(
        2 * found.total.likely
    )


def test_prices_of_ones_own_replace_the_defaults() -> None:
    """Exact prices give an exact cost, and their defaults are not cited."""
    found = estimate_cost(
        "on_premise_single",
        years=4,
        staff_fte=0.5,
        prices={
            "fte_year": 60_000,
            "server": 8_000,
            "server_years": 4,
            "server_watts": 250,
            "power_kwh": 0.2,
            "hosting_year": 0,
        },
    )

    power = 4 * 8_766 * 0.25 * 0.2
    assert (found.total.low, found.total.high) == pytest.approx((120_000 + 8_000 + power,) * 2)
    assert not found.sources


def test_people_are_most_of_it() -> None:
    """What `$` to `$$$` hide: most of the likely cost of every pattern is staff."""
    assert all(estimate_cost(key).staff_share > 0.5 for key in DEPLOYMENT_PATTERNS)


def test_every_default_says_where_it_is_from() -> None:
    """Source and date stand beside every price, and in every estimate that uses one."""
    assert all(price.source.date.year >= 2025 for price in PRICES.values())
    assert estimate_cost("dbaas").sources


@given(KEYS)
def test_the_tornado_is_ordered_and_around_the_likely_total(pattern: str) -> None:
    """The widest part comes first, and each moves the total to both sides."""
    found = estimate_cost(pattern)
    spans = found.tornado()
    widths = [high - low for _, low, high in spans]

    assert widths == sorted(widths, reverse=True)
    assert all(low <= found.total.likely <= high for _, low, high in spans)


def test_the_tornado_can_be_drawn() -> None:
    """A bar a part, and the years in the title."""
    import matplotlib as mpl  # noqa: PLC0415 -- one test needs it
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- as above

    mpl.use("Agg")
    found = estimate_cost("hybrid_cloud", years=3)
    axes = found.plot()
    axes.figure.canvas.draw()

    assert {each.get_text() for each in axes.get_yticklabels()} == {driver.name for driver in found.drivers}
    assert "over 3 years" in axes.get_title()
    plt.close("all")


def test_the_seeds_ways_to_save_are_all_there() -> None:
    """Three on premise, five in the cloud, three for hybrid; each says when it applies and what it saves."""
    counts = [sum(each.setting is setting for each in COST_STRATEGIES) for setting in Setting]

    assert counts == [3, 5, 3]
    assert all(
        each.applies and each.sources and (each.saves.high > 0) is bool(each.driver)
        for each in COST_STRATEGIES
    )


def test_a_way_to_save_lowers_its_part_only() -> None:
    """Reserved machines make computing cheaper, and nothing else."""
    before, after = (_parts(estimate_cost("public_cloud", strategies=ways)) for ways in ([], ["reserve"]))

    assert after["cloud_compute"].likely == pytest.approx(before["cloud_compute"].likely * 0.65)
    assert {name for name, cost in after.items() if cost != before[name]} == {"cloud_compute"}


def _parts(found: CostEstimate) -> dict[str, Range]:
    return {driver.name: driver.total for driver in found.drivers}


@pytest.mark.parametrize(
    ("pattern", "more", "words"),
    [
        ("mainframe", {}, "'mainframe'"),
        ("dbaas", {"years": 0}, "years"),
        ("dbaas", {"data_gb": -1}, "data_gb"),
        ("dbaas", {"prices": {"coffee": 3}}, "'coffee'"),
        ("dbaas", {"prices": {"fte_year": -3}}, "fte_year"),
        ("dbaas", {"prices": {"fte_year": (9, 3)}}, "fte_year"),
        ("dbaas", {"staff_fte": "two"}, "staff_fte"),
        ("on_premise_single", {"strategies": ["spot"]}, "'spot' does not apply"),
        ("on_premise_single", {"strategies": ["pray"]}, "'pray' is not known"),
    ],
)
def test_bad_costs_are_refused_by_name(pattern: str, more: dict[str, object], words: str) -> None:
    """An error names the field and the value."""
    with pytest.raises(InvalidInput, match=words):
        estimate_cost(pattern, **more)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("key", sorted(DEPLOYMENT_PATTERNS))
def test_what_is_promised_exists(key: str) -> None:
    """A backend that is named can be imported, an example is there; what is only recommended says so."""
    action = ACTIONS[key]

    if action.backend:
        assert importlib.import_module(action.backend).__all__
    if action.provisioner:
        assert importlib.import_module(action.provisioner).__all__
    if action.example:
        assert (ROOT / action.example).is_file()
    assert action.reach is not Reach.DOES or action.backend
    assert action.reach.value in str(action)


def test_advice_leads_to_actions() -> None:
    """The actions follow the ranking, and those of what is excluded are left out."""
    advice = recommend(next(each.needs for each in INSTITUTIONS if each.winner == "hybrid_cloud"))

    assert [each.pattern for each in advice.actions()] == [each.key for each in advice.eligible]
    assert "sequence(" in advice.actions()[0].does


@pytest.mark.parametrize("pattern", ["dbaas", "nobody's"])
def test_ways_to_save_by_pattern(pattern: str) -> None:
    """A pattern of one's own has no ways to save that we know of."""
    assert bool(strategies_for(pattern)) is (pattern in DEPLOYMENT_PATTERNS)
