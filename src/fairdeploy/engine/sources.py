"""Where a guard's numbers come from: what the plan names, opened once for a rollout."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, assert_never

from fairdeploy.errors import Unbound
from fairdeploy.metrics import PrometheusCounters, RouterCounters
from fairdeploy.model import BoundSource, PrometheusSource, RouterSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.engine.run import Run
    from fairdeploy.model import Base, Guard
    from fairdeploy.protocols import MetricSource

__all__ = ["bound", "configured", "source_of"]


def configured(source: MetricSource) -> str:
    """Return the hash of what configures a source, as a plan records it."""
    return hashlib.sha256(source.configuration().encode()).hexdigest()


def bound(source: BoundSource, given: Mapping[str, MetricSource]) -> MetricSource:
    """Return the source that a plan names.

    Raises:
        Unbound: If it was not given, or is configured otherwise than when the plan was made.
    """
    found = given.get(source.name)
    if found is None:
        msg = f"the plan needs the source {source.name!r}: give Deployer(sources={{{source.name!r}: ...}})"
        raise Unbound(msg)
    if source.configuration and source.configuration != configured(found):
        msg = f"source {source.name!r} is configured otherwise than when the plan was made: give the same, or plan again"
        raise Unbound(msg)
    return found


def source_of(run: Run, guard: Guard, base: Base) -> MetricSource:
    """Return the source that a guard reads: the same one for all guards that name the same.

    Raises:
        Unbound: If it is a router's and there is none, it was not given, or its token is not found.
    """
    key = (base.backend, guard.source)
    if key not in run.opened:
        run.opened[key] = _open(run, guard, base)
    return run.opened[key]


def _open(run: Run, guard: Guard, base: Base) -> MetricSource:
    source = guard.source
    match source:
        case RouterSource():
            router = run.backend(base).router
            if router is None:
                msg = f"guard {guard.id!r} needs a router's counters, and there is no router"
                raise Unbound(msg)
            return RouterCounters(router)
        case PrometheusSource():
            return PrometheusCounters(source)
        case BoundSource():
            return bound(source, run.sources)
        case _:
            assert_never(source)
