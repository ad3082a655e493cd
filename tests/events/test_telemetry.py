"""What other programs are told of rollouts, each by a real receiver of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from fairdeploy.engine import Deployer
from fairdeploy.errors import DeploymentError, InvalidInput
from fairdeploy.events import CDEventsSink, Courier, GitHubSink, GrafanaSink, dora, times_of
from fairdeploy.events.opentelemetry import OpenTelemetrySink
from fairdeploy.events.outcomes import CDEVENTS, CICD, DEPLOYMENT, GITHUB
from fairdeploy.events.prometheus import PrometheusSink
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Event, HTTPCheck, Outcome, Paused, Record, Resumed, SecretRef
from fairdeploy.strategies import BlueGreen
from fairdeploy.testing.conformance import EventSinkConformance
from fairdeploy.testing.simulation import SimulatedBackend, World
from tests.engine.simulated import ONE, SHOP, TWO
from tests.events.receiving import House, receiving
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.protocols import EventSink

LOOPBACK = ["127.0.0.0/8"]
QUICK = BlueGreen(watch=0, keep_warm=600, preview_header=None)
BAD = BlueGreen(watch=0, preview_header=None, verify=[HTTPCheck("/never")])


@pytest.fixture
def house() -> Iterator[House]:
    """Give a receiver."""
    with receiving() as one:
        yield one


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> SecretRef:
    """Give where the token is."""
    monkeypatch.setenv("A_TOKEN", "a-token-of-the-tests")
    return SecretRef.env("A_TOKEN")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of a first deploy, an upgrade, its rollback by hand, and one that failed by itself."""
    path = tmp_path_factory.mktemp("telemetry") / "journal.sqlite"

    async def write() -> None:
        async with SQLiteJournal.open(path) as journal:
            deployer = Deployer(SimulatedBackend(World(), journal=journal), validate=False)
            await deployer.deploy(SHOP, ONE, QUICK)
            await deployer.deploy(SHOP, TWO, QUICK)
            await deployer.rollback(SHOP)
            with pytest.raises(DeploymentError):
                await deployer.deploy(SHOP, TWO, BAD)

    anyio.run(write)
    return path


@pytest.fixture
async def journal(written: Path) -> AsyncIterator[SQLiteJournal]:
    """Give the journal; nobody writes to it any more."""
    async with SQLiteJournal.open(written) as journal:
        yield journal


async def deliver(journal: SQLiteJournal, sink: EventSink, folder: Path) -> int:
    """Deliver all that the journal holds."""
    return await Courier(journal, [sink], folder=folder / sink.name, from_start=True).deliver()


class TestGrafana(EventSinkConformance):
    """Annotations keep the contract of a sink."""

    @pytest.fixture
    def receiver(self, house: House) -> House:
        """Give where it leads."""
        return house

    @pytest.fixture
    def sink(self, house: House, token: SecretRef) -> EventSink:
        """Give the sink."""
        return GrafanaSink(house.url, token, allow=LOOPBACK, plaintext=True)


@pytest.mark.anyio
async def test_grafana_gets_a_region_for_each_rollout(
    journal: SQLiteJournal, house: House, token: SecretRef, tmp_path: Path
) -> None:
    """From its begin to its end, found by its tags; the token stands in the header and nowhere else."""
    await deliver(journal, GrafanaSink(house.url, token, allow=LOOPBACK, plaintext=True), tmp_path)

    said = [json.loads(body) for body in house.arrived()]
    regions = [each for each in said if "timeEnd" in each]
    assert set(house.asked) == {"POST /hooks/api/annotations"}
    assert len(regions) == 4
    assert all(each["time"] <= each["timeEnd"] for each in regions)
    assert {"fairdeploy", "target:shop/production", "outcome:rolled_back"} <= set(regions[-1]["tags"])
    assert {headers["authorization"] for headers, _ in house.got} == {"Bearer a-token-of-the-tests"}
    assert not any("a-token" in body for body in house.arrived())


@pytest.mark.anyio
async def test_cdevents_tell_milestones_once_each(
    journal: SQLiteJournal, house: House, tmp_path: Path
) -> None:
    """Each is a CloudEvent around a CDEvent that say the same; its id is its own, and stays it."""
    sink = CDEventsSink(house.url, allow=LOOPBACK, plaintext=True)
    await deliver(journal, sink, tmp_path)
    first = [json.loads(body) for body in house.arrived()]
    await deliver(journal, sink, tmp_path / "again")

    again = [json.loads(body) for body in house.arrived()][len(first) :]
    assert again == first
    assert len({each["id"] for each in first}) == len(first)
    assert {headers["content-type"] for headers, _ in house.got} == {"application/cloudevents+json"}
    for each in first:
        context = each["data"]["context"]
        assert [each[key] for key in ("id", "source", "type", "time")] == [
            context[key] for key in ("id", "source", "type", "timestamp")
        ]
    kinds = [each["type"].removeprefix("dev.cdevents.").removesuffix(".0.3.0") for each in first]
    run = ["pipelinerun.started", "pipelinerun.finished"]
    assert [kind for kind in kinds if kind in run] == run * 4
    assert [kind for kind in kinds if kind not in run] == [
        "service.deployed",
        "service.upgraded",
        "service.upgraded",
        "service.rolledback",
    ]
    outcomes = [each["data"]["subject"]["content"].get("outcome") for each in first]
    assert [each for each in outcomes if each] == ["success", "success", "success", "failure"]


@pytest.mark.anyio
async def test_github_gets_one_deployment_for_a_rollout(
    journal: SQLiteJournal, house: House, token: SecretRef, tmp_path: Path
) -> None:
    """It is made once, found again by its task, also by another process, and gets a status for each milestone."""
    made: list[dict[str, Any]] = []
    states: dict[int, list[str]] = {}

    def github(asked: str, body: bytes) -> bytes:
        if asked.startswith("GET"):
            fitting = [each for each in made if each["task"].replace(":", "%3A") in asked]
            return json.dumps(fitting).encode()
        said = json.loads(body)
        if asked.endswith("/statuses"):
            states.setdefault(int(asked.split("/")[-2]), []).append(said["state"])
            return b"{}"
        made.append({**said, "id": len(made) + 1})
        return json.dumps(made[-1]).encode()

    house.answer = github
    for folder in ("one", "two"):
        sink = GitHubSink(
            "owner/shop", token, url=house.url.removesuffix("/hooks"), allow=LOOPBACK, plaintext=True
        )
        await deliver(journal, sink, tmp_path / folder)

    assert [each["ref"] for each in made] == [
        f"v{ONE.version}",
        f"v{TWO.version}",
        f"v{ONE.version}",
        f"v{TWO.version}",
    ]
    assert all(each["environment"] == "production" and not each["auto_merge"] for each in made)
    assert [states[number][-1] for number in (1, 2, 3, 4)] == ["success", "success", "success", "failure"]
    assert all("/repos/owner/shop/deployments" in asked for asked in house.asked)


@pytest.mark.anyio
async def test_a_collector_gets_a_trace_and_durations(
    journal: SQLiteJournal, house: House, tmp_path: Path
) -> None:
    """Over OTLP: a root for the rollout, a span for each step below it, at the times of the journal."""
    received: dict[str, list[bytes]] = {}

    def collector(asked: str, body: bytes) -> bytes:
        received.setdefault(asked, []).append(body)
        return b""

    house.answer = collector
    spans = TracerProvider()
    spans.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{house.url}/v1/traces")))
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{house.url}/v1/metrics"), export_interval_millis=float("inf")
    )
    meters = MeterProvider([reader])
    sink = OpenTelemetrySink(journal, tracer_provider=spans, meter_provider=meters)
    await deliver(journal, sink, tmp_path)
    spans.shutdown()
    meters.force_flush()
    meters.shutdown()

    traces: dict[bytes, list[Any]] = {}
    for body in received["POST /hooks/v1/traces"]:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for span in resource.scope_spans[0].spans:
                traces.setdefault(span.trace_id, []).append(span)
    assert len(traces) == 4
    for each in traces.values():
        (root,) = [span for span in each if not span.parent_span_id]
        assert all(span.parent_span_id == root.span_id for span in each if span is not root)
        assert all(
            root.start_time_unix_nano <= span.start_time_unix_nano
            and span.end_time_unix_nano <= root.end_time_unix_nano
            for span in each
        )
    last = list(traces.values())[-1][-1]
    said = {each.key: each.value.string_value for each in last.attributes}
    assert (last.name, said["cicd.pipeline.result"], said["deployment.status"]) == (
        "RUN BlueGreen",
        "failure",
        "failed",
    )
    assert said["deployment.environment.name"] == "production"

    body = received["POST /hooks/v1/metrics"][0]
    metrics = ExportMetricsServiceRequest.FromString(body).resource_metrics[0].scope_metrics[0].metrics
    assert {metric.name for metric in metrics} == {"cicd.pipeline.run.duration", "cicd.pipeline.run.errors"}


@pytest.mark.anyio
async def test_prometheus_scrapes_times_that_add_up(journal: SQLiteJournal, tmp_path: Path) -> None:
    """The whole is what it moved and what it waited, for each outcome; no rollout's id is a label."""
    registry = CollectorRegistry()
    await deliver(journal, PrometheusSink(journal, registry=registry), tmp_path)
    port = free_port()
    server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    try:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"GET /metrics HTTP/1.0\r\n\r\n")
            said = b"".join([part async for part in stream]).decode().partition("\r\n\r\n")[2]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    families = {family.name: family.samples for family in text_string_to_metric_families(said)}

    def total(part: str) -> float:
        samples = families[f"fairdeploy_rollout_{part}duration_seconds"]
        return sum(sample.value for sample in samples if sample.name.endswith("_sum"))

    counted = {
        (sample.labels["strategy"], sample.labels["outcome"]): sample.value
        for sample in families["fairdeploy_rollouts"]
        if sample.name.endswith("_total")
    }
    assert counted[("BlueGreen", "rolled_back")] == 1
    assert sum(counted.values()) == 4
    assert total("") == pytest.approx(total("progression_") + total("pause_"))


def test_a_pause_counts_until_it_is_ended() -> None:
    """A second pause within one is the same waiting; one that nobody ends counts until the last event."""

    def event(second: int, record: Record) -> Event:
        return Event(seq=second, rollout="r", epoch=1, at_ms=1_000 * second, record=record)

    paused, resumed = Paused(), Resumed()
    ended = times_of(
        [event(1, resumed), event(3, paused), event(4, paused), event(8, resumed), event(9, resumed)]
    )
    open_ = times_of([event(1, resumed), event(3, paused), event(8, paused)])

    assert (ended.progression_ms, ended.pause_ms, ended.total_ms) == (3_000, 5_000, 8_000)
    assert (open_.progression_ms, open_.pause_ms) == (2_000, 5_000)


@pytest.mark.anyio
async def test_figures_count_what_was_taken_back_later_as_failed(journal: SQLiteJournal) -> None:
    """Of three deployments one went back by itself and one by hand; the rollback is no deployment."""
    rollouts = await journal.rollouts()
    now = datetime.now(UTC)

    found = dora(rollouts, since=now - timedelta(days=2), until=now + timedelta(minutes=1))

    assert (found.deployments, found.failures) == (3, 2)
    assert found.change_failure_rate == pytest.approx(2 / 3)
    assert found.per_day == pytest.approx(1, rel=0.01)
    assert found.recovery_seconds is not None
    assert "67 % of 3 failed" in str(found)
    empty = dora(rollouts, since=now - timedelta(days=2), until=now - timedelta(days=1))
    assert (empty.deployments, empty.change_failure_rate, empty.recovery_seconds) == (0, None, None)
    with pytest.raises(InvalidInput, match="time zone"):
        dora(rollouts, since=now.replace(tzinfo=None), until=now)


def test_every_outcome_has_a_word_in_every_dialect() -> None:
    """A new outcome would otherwise be told as a crash of the sink."""
    assert all(set(dialect) == set(Outcome) for dialect in (CICD, DEPLOYMENT, CDEVENTS, GITHUB))
