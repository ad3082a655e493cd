"""Counters in CloudWatch: what a load balancer has counted for each target group."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, final

from fairdeploy.aws import AWS, Recent
from fairdeploy.errors import InvalidInput, MetricsError
from fairdeploy.model import Counters, Histogram
from fairdeploy.model.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fairdeploy.aws import Answer
    from fairdeploy.model import RevisionId, Target

__all__ = ["CloudWatchCounters", "alarms_firing"]

_NAMESPACE = "AWS/ApplicationELB"
_PERIOD = 60
"""Seconds of one datapoint: a load balancer sends them each minute (Elastic Load Balancing, "CloudWatch metrics")."""
_PAGE = ("NextToken", "NextToken")
_BOUNDS_MS = (50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0)


@final
class CloudWatchCounters:
    """A `MetricSource`: requests, answers of 500 and more, and latency, per target group, from CloudWatch.

    A load balancer sends its counts each minute, and they are late: only minutes that are over since ``delay``
    seconds are counted, from the first whole minute after the first look at a revision. A guard that reads them needs
    minutes: let it look no more often. No datapoint for a revision is no data, never zero.

    Args:
        aws: The region.
        balancer: ARN of the load balancer.
        groups: Returns the ARN of each revision's target group, such as ``ALBRouter.groups``.
        bounds_ms: Bounds of the latency histogram, growing.
        delay: Seconds after which a minute is believed.
        now: The wall clock in seconds since 1970.

    Raises:
        InvalidInput: If the load balancer is none, or the bounds do not grow.
    """

    def __init__(
        self,
        aws: AWS,
        *,
        balancer: str,
        groups: Callable[[], Awaitable[Mapping[RevisionId, str]]],
        bounds_ms: tuple[float, ...] = _BOUNDS_MS,
        delay: float = 120.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        if ":loadbalancer/app/" not in balancer:
            msg = f"balancer must be the ARN of an Application Load Balancer, not {balancer!r}"
            raise InvalidInput(msg)
        if list(bounds_ms) != sorted(set(bounds_ms)) or not all(bound > 0 for bound in bounds_ms):
            msg = f"bounds_ms must grow from above 0, not {bounds_ms!r}"
            raise InvalidInput(msg)
        self._aws = aws.raising(MetricsError)
        self._balancer = balancer.partition(":loadbalancer/")[2]
        self._groups = groups
        self._bounds = bounds_ms
        self._delay = delay
        self._now = now
        self._since: dict[tuple[RevisionId, str], int] = {}
        self._recent: Recent[dict[RevisionId, Counters]] = Recent(_PERIOD / 4)

    async def counters(
        self, target: Target, revisions: frozenset[RevisionId]
    ) -> Mapping[RevisionId, Counters]:
        """See `MetricSource.counters`.

        Raises:
            MetricsError: If CloudWatch cannot be asked, or has not all of it.
            RouterError: If the target groups cannot be told.
        """
        key = f"{target.id} {sorted(revisions)}"
        return await self._recent.get(key, lambda: self._look(revisions))

    def configuration(self) -> str:
        """See `MetricSource.configuration`."""
        return canonical(
            {
                "cloudwatch": self._balancer,
                "region": self._aws.region,
                "bounds": self._bounds,
                "delay": self._delay,
            }
        )

    async def _look(self, revisions: frozenset[RevisionId]) -> dict[RevisionId, Counters]:
        groups = await self._groups()
        end = int((self._now() - self._delay) // _PERIOD * _PERIOD)
        found: dict[RevisionId, Counters] = {}
        for revision in sorted(revisions & set(groups)):
            group = groups[revision]
            begins = int(self._now() // _PERIOD * _PERIOD) + _PERIOD
            since = self._since.setdefault((revision, group), begins)
            if end > since:
                counted = await self._counted(group, since, end)
                if counted is not None:
                    found[revision] = counted
        return found

    async def _counted(self, group: str, since: int, end: int) -> Counters | None:
        sums: dict[str, float] = {}
        for result in await self._aws.pages(
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            token=_PAGE,
            MetricDataQueries=self._queries(group),
            StartTime=since,
            EndTime=end,
        ):
            if result.get("StatusCode") in {"InternalError", "Forbidden"}:
                raise MetricsError(
                    f"CloudWatch has not all of {result['Id']!r} of {group!r}: {result.get('Messages')}"
                )
            sums[result["Id"]] = sums.get(result["Id"], 0.0) + sum(result.get("Values", []))
        requests = round(sums.get("requests", 0.0))
        if not requests:
            return None
        buckets = tuple(round(sums.get(f"le{number}", 0.0)) for number in range(len(self._bounds)))
        return Counters(
            requests=requests,
            errors=min(requests, round(sums.get("errors", 0.0))),
            latency=Histogram(bounds_ms=self._bounds, counts=buckets),
            incarnation=f"{group.rpartition('/')[2]}@{since}",
        )

    def _queries(self, group: str) -> list[Answer]:
        dimensions = [
            {"Name": "LoadBalancer", "Value": self._balancer},
            {"Name": "TargetGroup", "Value": group.rpartition(":")[2]},
        ]

        def query(name: str, metric: str, statistic: str) -> Answer:
            about = {"Namespace": _NAMESPACE, "MetricName": metric, "Dimensions": dimensions}
            return {"Id": name, "MetricStat": {"Metric": about, "Period": _PERIOD, "Stat": statistic}}

        # TC(:x): how many values are at most x (CloudWatch, "Statistics definitions", trimmed count).
        buckets = [
            query(f"le{number}", "TargetResponseTime", f"TC(:{bound / 1000:g})")
            for number, bound in enumerate(self._bounds)
        ]
        return [
            query("requests", "RequestCount", "Sum"),
            query("errors", "HTTPCode_Target_5XX_Count", "Sum"),
            *buckets,
        ]


async def alarms_firing(aws: AWS, *names: str) -> dict[str, str]:
    """Return the alarms that fire now, with the reason of each.

    Args:
        aws: The region.
        names: Which to look at; none: all of the region.

    Raises:
        MetricsError: If CloudWatch cannot be asked.
    """
    found = await aws.raising(MetricsError).pages(
        "cloudwatch",
        "describe_alarms",
        "MetricAlarms",
        token=_PAGE,
        StateValue="ALARM",
        AlarmNames=list(names) or None,
    )
    return {str(each["AlarmName"]): str(each.get("StateReason", "")) for each in found}
