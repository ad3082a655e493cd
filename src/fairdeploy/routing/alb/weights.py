"""Shares as a load balancer's weights."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from fairdeploy.model import WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import RevisionId

__all__ = ["HEAVIEST", "weights"]

HEAVIEST = 999
"""The largest weight of a target group (ELBv2 API reference, TargetGroupTuple)."""


def weights(shares: Mapping[RevisionId, int]) -> dict[RevisionId, int]:
    """Return whole weights from 0 to 999 for shares in basis points: exact where that can be, else the nearest.

    Whoever has a share keeps one: what is below a thousandth is raised to weight 1.

    Example:
        >>> weights({"old": 9_500, "new": 500})
        {'old': 19, 'new': 1}
    """
    divisor = gcd(*shares.values()) or 1
    least = {revision: share // divisor for revision, share in shares.items()}
    if max(least.values(), default=0) <= HEAVIEST:
        return least
    return {
        revision: max(1, round(share * HEAVIEST / WHOLE)) if share else 0
        for revision, share in shares.items()
    }
