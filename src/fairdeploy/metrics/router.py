"""What a traffic router has counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Counters, RevisionId, Target
    from fairdeploy.protocols import TrafficRouter

__all__ = ["RouterCounters"]


@final
class RouterCounters:
    """A `MetricSource`: the counters of the router that splits the traffic. Needs nothing else.

    Args:
        router: Whose counters.
    """

    def __init__(self, router: TrafficRouter) -> None:
        self._router = router

    async def counters(
        self, target: Target, revisions: frozenset[RevisionId]
    ) -> Mapping[RevisionId, Counters]:
        """See `MetricSource.counters`.

        Raises:
            RouterError: If the router cannot be asked.
        """
        counted = await self._router.counters(target)
        return {revision: counters for revision, counters in counted.items() if revision in revisions}

    def configuration(self) -> str:
        """See `MetricSource.configuration`."""
        return "router"
