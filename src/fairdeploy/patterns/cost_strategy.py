"""The seed's ways to save, as data: when each applies, and what it saves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import final

from fairdeploy.patterns import _sources as source
from fairdeploy.patterns.claim import Source
from fairdeploy.patterns.ranges import Range

__all__ = ["COST_STRATEGIES", "CostStrategy", "Setting", "strategies_for"]


class Setting(Enum):
    """Where a way to save applies."""

    ON_PREMISE = "on premise"
    CLOUD = "cloud"
    HYBRID = "hybrid"


@final
@dataclass(frozen=True, slots=True)
class CostStrategy:
    """A way to save.

    Args:
        key: Its name.
        setting: Where it applies.
        text: What to do, in the seed's words.
        applies: When it is worth it.
        driver: The part of the cost that it lowers, as in `CostEstimate.drivers`; empty if it lowers a risk instead.
        saves: The percentage of that part that it saves.
        sources: Where the percentage is from.
    """

    key: str
    setting: Setting
    text: str
    applies: str
    driver: str
    saves: Range
    sources: tuple[Source, ...]


def _strategy(
    key: str, setting: Setting, text: str, applies: str, lowers: tuple[str, Range], *more: Source
) -> CostStrategy:
    return CostStrategy(key, setting, text, applies, *lowers, (source.SEED, *(more or (source.ESTIMATE,))))


_NOTHING = Range(0, 0, 0)

COST_STRATEGIES: tuple[CostStrategy, ...] = (
    _strategy(
        "schedule_non_production",
        Setting.ON_PREMISE,
        "Use resource scheduling for non-production",
        "test and training systems run on machines of their own",
        ("power", Range(5, 10, 20)),
    ),
    _strategy(
        "plan_capacity",
        Setting.ON_PREMISE,
        "Implement proper capacity planning",
        "growth is known a year ahead, so that machines are bought when they are needed",
        ("hardware", Range(5, 15, 25)),
    ),
    _strategy(
        "consider_lifecycle",
        Setting.ON_PREMISE,
        "Consider hardware lifecycle costs",
        "machines may be kept one or two years beyond the usual, with spare parts",
        ("hardware", Range(0, 10, 25)),
    ),
    _strategy(
        "spot",
        Setting.CLOUD,
        "Use spot/preemptible instances for non-critical workloads",
        "up to half of the work can be interrupted and begun again; never the database",
        ("cloud_compute", Range(0, 15, 45)),
        source.AWS_SPOT,
    ),
    _strategy(
        "auto_scale",
        Setting.CLOUD,
        "Implement auto-scaling based on demand",
        "traffic is seasonal or comes in bursts",
        ("cloud_compute", Range(5, 20, 40)),
    ),
    _strategy(
        "reserve",
        Setting.CLOUD,
        "Use reserved instances for predictable workloads",
        "the base load is known for one or three years",
        ("cloud_compute", Range(20, 35, 72)),
        source.AWS_RESERVED,
    ),
    _strategy(
        "expire_backups",
        Setting.CLOUD,
        "Enable automatic backup lifecycle policies",
        "backups older than the retention that the rules ask for are kept",
        ("cloud_storage", Range(5, 15, 30)),
    ),
    _strategy(
        "compress",
        Setting.CLOUD,
        "Compress and archive old data",
        "data that is rarely read makes up much of the whole",
        ("cloud_storage", Range(10, 30, 60)),
    ),
    _strategy(
        "keep_on_site",
        Setting.HYBRID,
        "Keep sensitive data on-premise",
        "sensitive data is told apart from the rest; it saves agreements and egress rather than storage",
        ("egress", Range(10, 30, 60)),
    ),
    _strategy(
        "burst",
        Setting.HYBRID,
        "Burst to cloud for peak loads",
        "peaks are short: machines for them would idle",
        ("hardware", Range(10, 25, 40)),
    ),
    _strategy(
        "recover_in_cloud",
        Setting.HYBRID,
        "Use cloud for disaster recovery",
        "a second site of its own would be needed otherwise; it lowers a risk, and costs storage",
        ("", _NOTHING),
    ),
)
"""The seed's three, five and three."""

_SETTINGS: dict[str, tuple[Setting, ...]] = {
    "on_premise_single": (Setting.ON_PREMISE,),
    "on_premise_cluster": (Setting.ON_PREMISE,),
    "private_cloud": (Setting.ON_PREMISE,),
    "public_cloud": (Setting.CLOUD,),
    "hybrid_cloud": (Setting.ON_PREMISE, Setting.CLOUD, Setting.HYBRID),
    "dbaas": (Setting.CLOUD,),
}


def strategies_for(pattern: str) -> tuple[CostStrategy, ...]:
    """Return the ways to save that apply to a pattern of the catalogue; none for another."""
    settings = _SETTINGS.get(pattern, ())
    return tuple(each for each in COST_STRATEGIES if each.setting in settings)
