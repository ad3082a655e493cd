"""What the traffic that there is can tell: counted at the router, said in a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from fairdeploy.analysis import difference, with_power
from fairdeploy.errors import Unbound
from fairdeploy.model import Counters, ErrorComparison, LatencyComparison, Plan, _check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from fairdeploy.model import RevisionId
    from fairdeploy.protocols import Backend

__all__ = ["with_measured_power"]

_UNKNOWN_PERCENT = 0.1
"""Error rate that is reckoned with where none was seen: the budget of 99.9 % availability."""


_ALL = 100.0
"""Percent."""


async def with_measured_power(plan: Plan, backend: Backend, *, count_for: timedelta | float = 10.0) -> Plan:
    """Return the plan with notes on what its comparisons can and cannot detect in the traffic that there is.

    The requests of its first target are counted at the router for a while; nothing is changed. A
    plan without comparisons is returned as it is.

    Args:
        plan: From `Deployer.plan`.
        backend: Of its first target.
        count_for: How long to count, a ``timedelta`` or seconds. The more, the better the rate is known.

    Raises:
        InvalidInput: If the time is no duration.
        Unbound: If the backend has no router that counts.
        RouterError: If the router cannot be asked.

    Example:
        >>> plan = await with_measured_power(plan, backend)  # doctest: +SKIP
        >>> print(plan)  # doctest: +SKIP
    """
    seconds = _check.milliseconds(count_for, "count_for", low=100) / 1000
    if not any(isinstance(guard.check, (ErrorComparison, LatencyComparison)) for guard in plan.guards):
        return plan
    requests, errors = await _counted(plan, backend, seconds)
    if not requests:
        note = f"Traffic: no request in {seconds:g} s; what nobody asks for cannot be compared."
        return replace(plan, notes=(*plan.notes, note))
    percent = float(f"{100 * errors / requests:.2g}") or _UNKNOWN_PERCENT
    if percent >= _ALL:
        note = f"Traffic: each of {requests} requests failed; what fails now cannot be compared."
        return replace(plan, notes=(*plan.notes, note))
    return with_power(plan, requests_per_second=round(requests / seconds, 2), error_percent=percent)


async def _counted(plan: Plan, backend: Backend, seconds: float) -> tuple[int, int]:
    """Return how many requests and errors were counted in so many seconds."""
    if backend.router is None:
        msg = f"the backend of {plan.bases[0].target.id!r} has no router that counts: give power() a rate of your own"
        raise Unbound(msg)
    target = plan.bases[0].target
    before = await backend.router.counters(target)
    await anyio.sleep(seconds)
    after = await backend.router.counters(target)
    grown = list(_grown(before, after))
    return sum(each.requests for each in grown), sum(each.errors for each in grown)


def _grown(
    before: Mapping[RevisionId, Counters], after: Mapping[RevisionId, Counters]
) -> tuple[Counters, ...]:
    """Return what each revision got in between; what began anew has at least what it holds now."""
    return tuple(
        difference(now, before.get(revision, Counters(incarnation=now.incarnation))) or now
        for revision, now in after.items()
    )
