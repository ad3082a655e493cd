"""What a load balancer has counted, from an emulator of CloudWatch; the datapoints are put there by the test itself."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fairdeploy.aws import AWS
from fairdeploy.errors import InvalidInput
from fairdeploy.metrics.cloudwatch import CloudWatchCounters, alarms_firing
from fairdeploy.model import Target
from tests.aws.worlds import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.aws, pytest.mark.anyio]

SHOP = Target("shop")
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/shop/1"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/{}/1"


async def test_minutes_that_are_over_are_counted_from_the_first_look(ecs_url: str) -> None:
    """What was before the first look is another's; a revision without datapoints is left out."""
    group = GROUP.format(f"g{secrets.token_hex(3)}")
    clock = [time.time() // 60 * 60 - 600]

    async def groups() -> Mapping[str, str]:
        return {"new": group, "silent": GROUP.format("nobody")}

    async with AWS.open(REGION, endpoint=ecs_url) as aws:

        async def put(minutes: int, metric: str, value: float) -> None:
            dimensions = [
                {"Name": "LoadBalancer", "Value": "app/shop/1"},
                {"Name": "TargetGroup", "Value": group.rpartition(":")[2]},
            ]
            stamp = datetime.fromtimestamp(clock[0] + minutes * 60 + 1, tz=UTC)
            datum = {"MetricName": metric, "Dimensions": dimensions, "Value": value, "Timestamp": stamp}
            await aws.call(
                "cloudwatch", "put_metric_data", Namespace="AWS/ApplicationELB", MetricData=[datum]
            )

        for minute in (0, 1, 2):
            await put(minute, "RequestCount", 100)
            await put(minute, "HTTPCode_Target_5XX_Count", 5)
        source = CloudWatchCounters(aws, balancer=BALANCER, groups=groups, delay=60.0, now=lambda: clock[0])
        assert await source.counters(SHOP, frozenset({"new"})) == {}
        clock[0] += 240
        found = await source.counters(SHOP, frozenset({"new", "silent"}))
        assert set(found) == {"new"}
        assert (found["new"].requests, found["new"].errors) == (200, 10)


async def test_alarms_that_fire_are_named(ecs_url: str) -> None:
    """With their reasons; one that is well is not among them."""
    name = f"a{secrets.token_hex(3)}"
    async with AWS.open(REGION, endpoint=ecs_url) as aws:
        for each in (name, f"{name}-well"):
            await aws.call(
                "cloudwatch",
                "put_metric_alarm",
                AlarmName=each,
                MetricName="RequestCount",
                Namespace="AWS/ApplicationELB",
                Period=60,
                EvaluationPeriods=1,
                Threshold=1.0,
                Statistic="Sum",
                ComparisonOperator="GreaterThanThreshold",
            )
        await aws.call(
            "cloudwatch", "set_alarm_state", AlarmName=name, StateValue="ALARM", StateReason="too many"
        )
        assert await alarms_firing(aws, name, f"{name}-well") == {name: "too many"}


async def test_what_is_no_load_balancer_is_refused(ecs_url: str) -> None:
    """As are bounds that do not grow."""

    async def groups() -> Mapping[str, str]:
        return {}

    async with AWS.open(REGION, endpoint=ecs_url) as aws:
        with pytest.raises(InvalidInput, match="balancer"):
            CloudWatchCounters(aws, balancer="shop", groups=groups)
        with pytest.raises(InvalidInput, match="grow"):
            CloudWatchCounters(aws, balancer=BALANCER, groups=groups, bounds_ms=(5.0, 1.0))
