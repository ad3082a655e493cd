"""The rate of one revision's errors, with bounds that hold at every look.

A confidence sequence by the method of mixtures (Robbins 1970): for a rate ``p``, the beta-binomial likelihood ratio
``B(a + x, b + n - x) / B(a, b) / (p^x (1 - p)^(n - x))`` is a martingale that begins at 1, and by Ville's inequality it
exceeds ``1 / alpha`` with probability ``alpha`` at the most, however often one looks. The bounds are the rates at which
it does not. ``a = b = 1/2`` (Jeffreys). It takes the rate to be the same all the time, and is for looking at: verdicts
come from comparisons, which do not need that.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf, lgamma, log, log10

from fairdeploy.errors import InvalidInput

__all__ = ["percent", "rate_bounds"]

_PRIOR = 0.5
_STEPS = 60
"""Halvings: more than a float can tell."""


def rate_bounds(errors: int, requests: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Return the lowest and the highest rate that are not ruled out, 0 to 1.

    Args:
        errors: How many failed.
        requests: Of how many.
        alpha: Probability that the true rate is ever outside, at whichever look.

    Raises:
        InvalidInput: If the counts are impossible, or alpha is not between 0 and 1.

    Example:
        >>> low, high = rate_bounds(5, 1_000)
        >>> low < 0.005 < high
        True
    """
    if not 0 <= errors <= requests:
        msg = f"errors must be from 0 to the {requests!r} requests, not {errors!r}"
        raise InvalidInput(msg)
    if not 0 < alpha < 1:
        msg = f"alpha must be between 0 and 1, not {alpha!r}"
        raise InvalidInput(msg)
    if not requests:
        return 0.0, 1.0
    served = requests - errors
    mixture = _log_beta(_PRIOR + errors, _PRIOR + served) - _log_beta(_PRIOR, _PRIOR)
    limit = -log(alpha)
    mean = errors / requests

    def ruled_out(rate: float) -> bool:
        return mixture - _log_likelihood(errors, served, rate) > limit

    return _edge(ruled_out, 0.0, mean), _edge(ruled_out, 1.0, mean)


def percent(rate: float) -> str:
    """Say a rate with two digits that tell something: ``0.24 %``, ``5.7 %``, ``97 %``."""
    share = 100 * rate
    digits = 0 if share == 0 or share >= 10 else max(1, min(4, ceil(-log10(share)) + 1))
    return f"{share:.{digits}f} %"


def _edge(ruled_out: Callable[[float], bool], outside: float, inside: float) -> float:
    """Return where, from ``outside`` to ``inside``, rates begin to be possible."""
    if not ruled_out(outside):
        return outside
    for _ in range(_STEPS):
        middle = (outside + inside) / 2
        if ruled_out(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_likelihood(errors: int, served: int, rate: float) -> float:
    if (rate <= 0 and errors) or (rate >= 1 and served):
        return -inf
    return (errors * log(rate) if errors else 0.0) + (served * log(1 - rate) if served else 0.0)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
