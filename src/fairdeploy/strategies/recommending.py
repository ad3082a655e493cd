"""Which strategy fits a release, what the backend can do, and the traffic: with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput, UnsupportedCapability
from fairdeploy.model import Capability
from fairdeploy.strategies.blue_green import BlueGreen
from fairdeploy.strategies.canary import Canary
from fairdeploy.strategies.recreate import Recreate
from fairdeploy.strategies.rolling import Rolling

if TYPE_CHECKING:
    from fairdeploy.model import Power, Release, Target

__all__ = ["StrategyAdvice", "recommend_strategy"]

_USEFUL_PERCENT = 10.0
"""A canary that cannot find so many errors before its end protects nobody: it only takes longer."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyAdvice:
    """What to use, and why.

    Args:
        strategy: With its defaults; give it checks and durations of your own.
        reasons: What speaks for it, in sentences.
        against: Why not the others, in sentences, by the strategy's name.
    """

    strategy: BlueGreen | Canary | Recreate | Rolling
    reasons: tuple[str, ...]
    against: dict[str, str]

    @property
    def name(self) -> str:
        """The strategy's name."""
        return type(self.strategy).__name__

    def __str__(self) -> str:
        """Return the advice as a few lines."""
        lines = [f"{self.name}: {' '.join(self.reasons)}"]
        lines += [f"Not {name}: {why}" for name, why in self.against.items()]
        return "\n".join(lines)


def recommend_strategy(
    release: Release,
    target: Target,
    capabilities: frozenset[Capability],
    *,
    power: Power | None = None,
    exclusive: bool = False,
) -> StrategyAdvice:
    """Return the strategy that fits, and why the others do not.

    Whether a canary makes sense is a matter of traffic: one that cannot find a release with 10 %
    errors before it ends shows faults to fewer visitors only because there are few.

    Args:
        release: What is to run.
        target: Where.
        capabilities: What the backend can do.
        power: What the canary's traffic can tell, from `fairdeploy.analysis.power`; ``None`` if the
            traffic is not known.
        exclusive: Whether old and new must not run together (a volume or a database file that only
            one process may open).

    Raises:
        InvalidInput: If the target has an endpoint and the release listens nowhere.
        UnsupportedCapability: If no strategy can be carried out here.
    """
    if target.endpoint is not None and not release.serves:
        msg = f"release {release.version!r} listens nowhere, but {target.id!r} has the endpoint {target.endpoint!r}"
        raise InvalidInput(msg)
    against: dict[str, str] = {}
    if exclusive or Capability.REVISIONS not in capabilities:
        why = "old and new must not run together" if exclusive else "only one revision can stand here"
        _refuse_stuck(capabilities)
        return StrategyAdvice(
            strategy=Recreate(),
            reasons=(f"{why.capitalize()}: the old one is stopped first, and there is downtime.",),
            against=dict.fromkeys(("Canary", "BlueGreen", "Rolling"), f"{why}."),
        )
    against["Recreate"] = "it has downtime, which nothing here asks for."
    if target.endpoint is None or Capability.WEIGHTS not in capabilities:
        return _without_router(target, capabilities, against)
    blind = _blind(capabilities, power)
    if blind:
        against["Canary"] = blind
        against["Rolling"] = "it moves traffic with instances; a switch goes back faster."
        return StrategyAdvice(
            strategy=BlueGreen(),
            reasons=(
                "The candidate is checked on its own addresses before it gets traffic, all moves at once,",
                "and the old revision stays warm to take over again.",
            ),
            against=against,
        )
    against["BlueGreen"] = "all visitors would meet a fault that the checks before traffic do not see."
    against["Rolling"] = "its shares follow the number of instances, not what was seen."
    return StrategyAdvice(strategy=Canary(), reasons=_for_canary(power), against=against)


def _without_router(
    target: Target, capabilities: frozenset[Capability], against: dict[str, str]
) -> StrategyAdvice:
    why = (
        "there is no routed traffic to split"
        if target.endpoint is None
        else "nothing here splits traffic by share"
    )
    against |= dict.fromkeys(("Canary", "BlueGreen"), f"{why}.")
    _refuse_stuck(capabilities)
    single = target.replicas == 1
    return StrategyAdvice(
        strategy=Rolling(max_surge=1, max_unavailable=0) if single else Rolling(),
        reasons=(
            f"{why.capitalize()}: instances are replaced one after the other.",
            *(("The only instance is replaced once a second one is ready.",) if single else ()),
        ),
        against=against,
    )


def _refuse_stuck(capabilities: frozenset[Capability]) -> None:
    if Capability.REPLICAS not in capabilities:
        raise UnsupportedCapability(
            "no strategy fits: without split traffic or side by side, instances must be stopped one by one, and this "
            f"backend does not declare {str(Capability.REPLICAS)!r}"
        )


def _blind(capabilities: frozenset[Capability], power: Power | None) -> str:
    """Return why a canary would see nothing; empty if it would see something."""
    if Capability.COUNTERS not in capabilities:
        return "nothing counts requests per revision, so its shares would be waited for, not judged."
    if power is None:
        return ""
    useful = [each for each in power.detections if each.event != "errors" or each.percent <= _USEFUL_PERCENT]
    if any(each.found for each in useful):
        return ""
    found = power.mildest
    sees = f"it finds {found.percent:g} % {found.event} at best" if found else "it finds nothing"
    times = [each.seconds for each in useful if each.seconds is not None]
    longer = (
        f"; {min(times) / 3600:.1f} h of both revisions serving would find {_USEFUL_PERCENT:g} % errors"
        if times
        else ""
    )
    return f"with {power.requests:,} requests while both revisions serve {sees}{longer}."


def _for_canary(power: Power | None) -> tuple[str, ...]:
    if power is None:
        return (
            "The router splits and counts traffic, so a fault meets few visitors before it is found.",
            "How few depends on the traffic: ask fairdeploy.analysis.power.",
        )
    found = power.mildest
    words = f"{found.percent:.3g} % {found.event}" if found else "nothing"
    end = (
        "A pass can be expected before its end."
        if power.passes
        else "A pass cannot be expected before its end: say what follows an undecided one."
    )
    return (
        f"The traffic is enough to find {words} with a probability of {100 * power.probability:.0f} %.",
        end,
    )
