"""What PodDisruptionBudgets leave room for: the platform itself does not ask them in a rolling update."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from fairdeploy.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["refuse_beyond"]


def refuse_beyond(budgets: Iterable[Object], labels: dict[str, str], size: int, missing: int) -> None:
    """Do nothing if so many pods may be missing.

    Args:
        budgets: Those of the namespace.
        labels: Of the pods. Budgets that choose by expressions alone are not looked at.
        size: How many pods there are to be.
        missing: How many the rollout would let be missing.

    Raises:
        Refused: If a budget that covers the pods allows fewer.
    """
    for each in budgets:
        chosen = each["spec"].get("selector", {})
        wanted: dict[str, str] = chosen.get("matchLabels") or {}
        if (not wanted and chosen.get("matchExpressions")) or not wanted.items() <= labels.items():
            continue
        room = _room(each["spec"], size)
        if missing > room:
            raise Refused(
                f"max_unavailable={missing} is more than PodDisruptionBudget {each['metadata']['name']!r} allows "
                f"({room} of {size} pods): give Delegated(max_unavailable={room})"
            )


def _room(spec: Object, size: int) -> int:
    """Return how many pods may be missing; percentages are rounded up, as the disruption controller does."""
    if "maxUnavailable" in spec:
        return _number(spec["maxUnavailable"], size)
    return max(0, size - _number(spec.get("minAvailable", 0), size))


def _number(value: int | str, size: int) -> int:
    return ceil(int(value.removesuffix("%")) * size / 100) if isinstance(value, str) else value
