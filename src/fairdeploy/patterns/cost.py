"""What a pattern costs over the years, in ranges, from prices of your own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from types import MappingProxyType
from typing import TYPE_CHECKING, cast, final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import _read, _sources as source
from fairdeploy.patterns._extra import needed
from fairdeploy.patterns.catalogue import DEPLOYMENT_PATTERNS
from fairdeploy.patterns.claim import Source
from fairdeploy.patterns.cost_strategy import COST_STRATEGIES, strategies_for
from fairdeploy.patterns.ranges import Range

if TYPE_CHECKING:
    import matplotlib.axes

__all__ = ["PRICES", "CostEstimate", "Driver", "Price", "estimate_cost"]

_HOURS_A_YEAR = 8_766


@final
@dataclass(frozen=True, slots=True)
class Price:
    """What something costs unless you say otherwise.

    Args:
        amount: How much.
        unit: Of what.
        source: Where this is from, and when.
    """

    amount: Range
    unit: str
    source: Source


def _guess(low: float, likely: float, high: float, unit: str, origin: Source = source.ESTIMATE) -> Price:
    return Price(Range(low, likely, high), unit, origin)


PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "fte_year": _guess(60_000, 85_000, 120_000, "EUR a full-time equivalent and year"),
        "server": _guess(5_000, 9_000, 18_000, "EUR a server"),
        "server_years": _guess(4, 5, 7, "years that a server lasts"),
        "server_watts": _guess(150, 300, 500, "watts a server, with cooling"),
        "power_kwh": _guess(0.12, 0.20, 0.30, "EUR a kWh"),
        "hosting_year": _guess(
            300, 1_000, 2_500, "EUR a server and year for room, network and maintenance contracts"
        ),
        "platform_vm_year": _guess(600, 1_500, 4_000, "EUR a virtual machine and year in a private cloud"),
        "cloud_vm_year": _guess(1_000, 2_200, 5_000, "EUR a virtual machine and year, on demand"),
        "cloud_database_year": _guess(2_000, 4_500, 10_000, "EUR a managed database with a standby and year"),
        "cloud_gb_year": _guess(0.25, 0.6, 1.6, "EUR a GB and year, with backups"),
        "egress_gb": _guess(0.02, 0.08, 0.12, "EUR a GB that leaves"),
        "subscription_year": _guess(
            300, 1_200, 7_200, "EUR a plan and year: Pro to Team", source.SUPABASE_PRICES
        ),
        "hipaa_addon_year": _guess(
            0, 0, 0, "EUR a year for a HIPAA add-on: ask for a quote", source.SUPABASE_PRICES
        ),
    }
)
"""Defaults, to be replaced by your own. What is an estimate is an order of magnitude, without tax."""


@final
@dataclass(frozen=True, slots=True)
class Driver:
    """A part of the cost.

    Args:
        name: Which part.
        total: What it comes to over all years.
        prices: The prices that it is made of.
    """

    name: str
    total: Range
    prices: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a pattern costs over some years.

    Args:
        pattern: The pattern's key.
        years: How many years.
        drivers: The parts, the greatest first.
        sources: Where the defaults that were used are from; prices of your own are not among them.
    """

    pattern: str
    years: float
    drivers: tuple[Driver, ...]
    sources: tuple[Source, ...] = field(default=())

    @property
    def total(self) -> Range:
        """The whole: the sum of the lows, of the likely values and of the highs."""
        return _sum([driver.total for driver in self.drivers])

    @property
    def staff_share(self) -> float:
        """Which share of the likely total is people, 0 to 1: what `$` to `$$$` hide."""
        people = fsum(driver.total.likely for driver in self.drivers if driver.name == "staff")
        return people / self.total.likely if self.total.likely else 0.0

    def tornado(self) -> tuple[tuple[str, float, float], ...]:
        """Return, a part, the total when it alone is at its low and at its high; the widest first."""
        likely = self.total.likely
        spans = [
            (
                driver.name,
                likely - driver.total.likely + driver.total.low,
                likely - driver.total.likely + driver.total.high,
            )
            for driver in self.drivers
        ]
        return tuple(sorted(spans, key=lambda span: (span[1] - span[2], span[0])))

    def plot(self, axes: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw the tornado: how far each part alone moves the total.

        Raises:
            MissingDependency: Without the extra ``notebook``.
        """
        if axes is None:
            pyplot = needed("matplotlib.pyplot", "notebook")
            axes = cast(
                "matplotlib.axes.Axes", pyplot.figure(figsize=(8, 4), layout="constrained").add_subplot()
            )
        likely = self.total.likely / 1_000
        for name, low, high in reversed(self.tornado()):
            axes.barh(name, likely - low / 1_000, left=low / 1_000, color="#0072B2")
            axes.barh(name, high / 1_000 - likely, left=likely, color="#E69F00")
        axes.axvline(likely, color="black", linewidth=1)
        axes.set_xlabel("thousand EUR, when one part alone is low (blue) or high (orange)")
        axes.set_title(
            f"{self.pattern}: {self.total.likely / 1_000:,.0f} thousand EUR likely over {self.years:g} years"
        )
        return axes

    def __str__(self) -> str:
        """Return the range, rounded to two digits, and how much of it is people."""
        low, likely, high = (
            f"{float(f'{value:.2g}'):,.0f}" for value in (self.total.low, self.total.likely, self.total.high)
        )
        return f"{self.pattern} over {self.years:g} years: {low} to {high}, likely {likely} EUR; {self.staff_share:.0%} of it people"


def estimate_cost(
    pattern: str,
    *,
    years: float = 5,
    data_gb: float = 500,
    egress_gb_year: float = 500,
    servers: float | None = None,
    staff_fte: Range | Sequence[float] | float | None = None,
    prices: Mapping[str, Range | Sequence[float] | float] | None = None,
    strategies: Sequence[str] = (),
) -> CostEstimate:
    """Return what a pattern of the catalogue costs over some years.

    Args:
        pattern: The pattern's key.
        years: Over how many years, above 0.
        data_gb: How much data there is.
        egress_gb_year: How much leaves a cloud in a year.
        servers: How many machines; as usual for the pattern unless said otherwise.
        staff_fte: How many people; as the catalogue says unless said otherwise.
        prices: Prices of your own, by the names in `PRICES`: a number, (low, high) or (low, likely, high).
        strategies: Ways to save that are followed, by the keys in `COST_STRATEGIES`.

    Raises:
        InvalidInput: If a pattern, price or strategy is unknown, does not apply, or is negative.
    """
    if pattern not in _SHAPES:
        raise InvalidInput(
            f"cost cannot be estimated for {pattern!r}: choose one of {', '.join(map(repr, _SHAPES))}"
        )
    period = _read.number(years, "years", low=0.01, high=100)
    shape = _SHAPES[pattern]
    counts = {
        "servers": shape.servers if servers is None else _read.number(servers, "servers"),
        "data": _read.number(data_gb, "data_gb"),
        "egress": _read.number(egress_gb_year, "egress_gb_year"),
    }
    people = (
        DEPLOYMENT_PATTERNS[pattern].staff_fte if staff_fte is None else Range.read(staff_fte, "staff_fte")
    )
    paid = _paid(prices or {})
    found = [
        driver for driver in _drivers(shape, counts, people or Range(0), paid, period) if driver.total.high
    ]
    saved = _saved(found, _followed(pattern, strategies))
    used = [name for driver in saved for name in driver.prices if name not in (prices or {})]
    sources = dict.fromkeys(PRICES[name].source for name in used)
    if staff_fte is None:
        sources[source.JISC] = None
    return CostEstimate(
        pattern,
        period,
        tuple(sorted(saved, key=lambda each: (-each.total.likely, each.name))),
        tuple(sources),
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """How much of what a pattern needs: machines of its own, virtual ones, databases, plans."""

    servers: float = 0
    platform_vms: float = 0
    cloud_vms: float = 0
    cloud_databases: float = 0
    cloud_data: float = 0
    subscriptions: float = 0


_SHAPES: Mapping[str, _Shape] = MappingProxyType(
    {
        "on_premise_single": _Shape(servers=1),
        "on_premise_cluster": _Shape(servers=4),
        "private_cloud": _Shape(platform_vms=4),
        "public_cloud": _Shape(cloud_vms=2, cloud_databases=1, cloud_data=1),
        "hybrid_cloud": _Shape(servers=3, cloud_vms=1, cloud_databases=0.5, cloud_data=0.5),
        "dbaas": _Shape(cloud_data=1, subscriptions=1),
    }
)


def _paid(own: Mapping[str, Range | Sequence[float] | float]) -> dict[str, Range]:
    """Return every price: your own, else the default."""
    unknown = sorted(str(name) for name in own if name not in PRICES)
    if unknown:
        raise InvalidInput(f"prices name no {unknown[0]!r}: choose from {', '.join(map(repr, PRICES))}")
    return {
        name: Range.read(own[name], name) if name in own else price.amount for name, price in PRICES.items()
    }


def _drivers(
    shape: _Shape, counts: Mapping[str, float], people: Range, paid: Mapping[str, Range], years: float
) -> list[Driver]:
    """Return the parts of the cost."""
    servers, data = counts["servers"], counts["data"]
    lasting = paid["server_years"]
    # A machine that lasts long is cheap: the low end divides by the longest life.
    inverse = Range(1 / max(lasting.high, 0.1), 1 / max(lasting.likely, 0.1), 1 / max(lasting.low, 0.1))
    cloud = data * shape.cloud_data
    return [
        Driver("staff", _times(years, people, paid["fte_year"]), ("fte_year",)),
        Driver("hardware", _times(years * servers, paid["server"], inverse), ("server", "server_years")),
        Driver(
            "power",
            _times(years * servers * _HOURS_A_YEAR / 1_000, paid["server_watts"], paid["power_kwh"]),
            ("server_watts", "power_kwh"),
        ),
        Driver("hosting", _times(years * servers, paid["hosting_year"]), ("hosting_year",)),
        Driver(
            "platform", _times(years * shape.platform_vms, paid["platform_vm_year"]), ("platform_vm_year",)
        ),
        Driver("cloud_compute", _times(years * shape.cloud_vms, paid["cloud_vm_year"]), ("cloud_vm_year",)),
        Driver(
            "cloud_database",
            _times(years * shape.cloud_databases, paid["cloud_database_year"]),
            ("cloud_database_year",),
        ),
        Driver("cloud_storage", _times(years * cloud, paid["cloud_gb_year"]), ("cloud_gb_year",)),
        Driver(
            "egress",
            _times(years * counts["egress"] * bool(shape.cloud_data), paid["egress_gb"]),
            ("egress_gb",),
        ),
        Driver(
            "subscription",
            _times(years * shape.subscriptions, paid["subscription_year"]),
            ("subscription_year",),
        ),
        Driver(
            "hipaa_addon",
            _times(years * shape.subscriptions, paid["hipaa_addon_year"]),
            ("hipaa_addon_year",),
        ),
    ]


def _times(factor: float, *ranges: Range) -> Range:
    low = likely = high = factor
    for each in ranges:
        low, likely, high = low * each.low, likely * each.likely, high * each.high
    return Range(low, likely, high)


def _sum(ranges: Sequence[Range]) -> Range:
    return Range(
        fsum(each.low for each in ranges),
        fsum(each.likely for each in ranges),
        fsum(each.high for each in ranges),
    )


def _followed(pattern: str, strategies: Sequence[str]) -> dict[str, list[Range]]:
    """Return what is saved of each part, in percent."""
    applying = {each.key: each for each in strategies_for(pattern)}
    known = {each.key for each in COST_STRATEGIES}
    saves: dict[str, list[Range]] = {}
    for key in dict.fromkeys(strategies):
        if key not in applying:
            reason = "does not apply to it" if key in known else "is not known"
            raise InvalidInput(
                f"strategy {key!r} {reason}: for {pattern!r} choose from {', '.join(map(repr, applying)) or 'none'}"
            )
        saves.setdefault(applying[key].driver, []).append(applying[key].saves)
    return saves


def _saved(drivers: Sequence[Driver], saves: Mapping[str, Sequence[Range]]) -> list[Driver]:
    """Lower each part by what is saved; the low end by the most, the high end by the least."""
    found = []
    for driver in drivers:
        total = driver.total
        for each in saves.get(driver.name, ()):
            total = Range(
                total.low * (1 - each.high / 100),
                total.likely * (1 - each.likely / 100),
                total.high * (1 - each.low / 100),
            )
        found.append(Driver(driver.name, total, driver.prices))
    return found
