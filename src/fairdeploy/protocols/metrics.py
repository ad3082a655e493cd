"""Where requests are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fairdeploy.model import Counters, RevisionId, Target

__all__ = ["MetricSource"]


class MetricSource(Protocol):
    """Counters of requests by revision: the router's own, those of a Prometheus, or anybody's."""

    async def counters(
        self, target: Target, revisions: frozenset[RevisionId]
    ) -> Mapping[RevisionId, Counters]:
        """Return what has been counted so far for these revisions of a target.

        Counters only grow while their incarnation stays the same; it changes whenever counting began
        anew. A revision about which nothing is known is left out: never zeros instead. Other
        revisions may be there too. Numbers of one revision are of one moment.

        Raises:
            MetricsError: If the source cannot be asked, or its answer cannot be counted with.
            RouterError: If it is a router's, and the router cannot be asked.
        """
        ...

    def configuration(self) -> str:
        """Return what configures it, without secrets: the same text in every process.

        A plan records its hash: whoever goes on with the plan must have been given the same.
        """
        ...
