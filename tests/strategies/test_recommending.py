from __future__ import annotations

import pytest

from fairdeploy.analysis import power
from fairdeploy.errors import InvalidInput, UnsupportedCapability
from fairdeploy.model import Capability, ErrorComparison, LatencyComparison, Power, Stage
from fairdeploy.strategies import Rolling, recommend_strategy
from tests.strategies.worlds import EVERYTHING, NEW, deployed, release, target

FIVE = tuple(Stage(basis_points=100 * percent, duration_ms=300_000) for percent in (5, 25, 50, 75, 100))


def _power(rate: float) -> Power:
    return power(ErrorComparison(), FIVE, requests_per_second=rate)


def test_enough_traffic_gets_a_canary() -> None:
    """The advice says what the canary will find."""
    advice = recommend_strategy(NEW, target(), EVERYTHING, power=_power(20))

    assert advice.name == "Canary"
    assert "find 0.5 % errors" in str(advice)
    assert set(advice.against) == {"BlueGreen", "Rolling", "Recreate"}


def test_a_quiet_site_is_advised_against_a_canary() -> None:
    """Where the traffic finds nothing useful in time, a canary only takes longer."""
    advice = recommend_strategy(NEW, target(), EVERYTHING, power=_power(0.1))

    assert advice.name == "BlueGreen"
    assert "with 120 requests while both revisions serve" in advice.against["Canary"]
    assert "h of both revisions serving would find 10 % errors" in advice.against["Canary"]


def test_without_any_traffic_a_canary_finds_nothing() -> None:
    """A plan in which both never serve together is no canary."""
    nothing = power(LatencyComparison(), (), requests_per_second=1)

    assert (
        "it finds nothing" in recommend_strategy(NEW, target(), EVERYTHING, power=nothing).against["Canary"]
    )


def test_unknown_traffic_is_said_to_be_unknown() -> None:
    """Without numbers a canary is advised, and what it depends on is said."""
    assert "ask fairdeploy.analysis.power" in str(recommend_strategy(NEW, target(), EVERYTHING))


@pytest.mark.parametrize(
    ("lacking", "name"),
    [
        ({Capability.COUNTERS}, "BlueGreen"),
        ({Capability.WEIGHTS}, "Rolling"),
        ({Capability.REVISIONS}, "Recreate"),
    ],
    ids=str,
)
def test_what_the_backend_lacks_decides(lacking: set[Capability], name: str) -> None:
    """The advised strategy can be carried out with what is declared."""
    capabilities = EVERYTHING - lacking
    advice = recommend_strategy(NEW, target(), capabilities)

    assert advice.name == name
    assert advice.name not in advice.against
    assert advice.strategy.plan(NEW, target(), deployed(), capabilities).steps


def test_workers_and_single_instances_roll() -> None:
    """Without a router instances are replaced one by one; the only one not before its successor is ready."""
    worker = release("1.5", serves=False)
    advice = recommend_strategy(worker, target(1, endpoint=None), EVERYTHING)

    assert advice.strategy == Rolling(max_surge=1, max_unavailable=0)
    assert "only instance" in str(advice)


def test_what_must_run_alone_is_recreated() -> None:
    """A file that one process may open leaves no choice, and the downtime is said."""
    advice = recommend_strategy(NEW, target(), EVERYTHING, exclusive=True)

    assert advice.name == "Recreate"
    assert "downtime" in str(advice)


def test_where_nothing_fits_that_is_said() -> None:
    """A backend that can neither split nor replace gets no advice that would be refused later."""
    with pytest.raises(UnsupportedCapability, match="no strategy fits"):
        recommend_strategy(NEW, target(), EVERYTHING - {Capability.WEIGHTS, Capability.REPLICAS})


def test_a_release_that_listens_nowhere_is_refused() -> None:
    """An endpoint needs something behind it."""
    with pytest.raises(InvalidInput, match="listens nowhere"):
        recommend_strategy(release("1.5", serves=False), target(), EVERYTHING)
