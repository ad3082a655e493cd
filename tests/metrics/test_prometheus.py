"""What a Prometheus may answer, and what must never become a number."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme

from fairdeploy.errors import InvalidInput, MetricsError, Unbound
from fairdeploy.metrics import PrometheusCounters
from fairdeploy.metrics._answer import PART, REVISION
from fairdeploy.model import Counters, PrometheusSource, SecretRef, Target
from tests.metrics.prometheus import Server, answering, exporting, vector
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SHOP = Target("shop")
OLD = frozenset({"old"})
QUERIES = {
    "requests": 'http_requests_total{revision="{revision}"}',
    "errors": 'http_requests_total{revision="{revision}",code="500"}',
}


def source(url: str, **more: object) -> PrometheusSource:
    """Return a source with the usual queries."""
    return PrometheusSource(url, **{**QUERIES, **more})  # type: ignore[arg-type]  # settings of a source


def series(part: str, value: str, revision: str = "old", **labels: str) -> tuple[dict[str, str], str]:
    """Return a series of an answer."""
    return {PART: part, REVISION: revision, **labels}, value


async def asked(url: str, **more: object) -> dict[str, Counters]:
    """Ask once."""
    return dict(await PrometheusCounters(source(url, **more)).counters(SHOP, OLD))


BAD_ANSWERS = {
    "not JSON": (200, b"<html>welcome</html>", "no JSON object"),
    "a list": (200, b"[1]", "no JSON object"),
    "too deep": (200, b"[" * 100_000, "no JSON object"),
    "a redirect": (302, b"moved", "a redirect, which is not followed"),
    "forbidden": (403, b'{"message": "who are you?"}', "403: who are you?"),
    "an error": (400, b'{"status": "error", "error": "parse error at char 3"}', "parse error at char 3"),
    "an error that says 200": (200, b'{"status": "error", "error": "query timed out"}', "query timed out"),
    "a scalar": (200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}', "no vector"),
    "a lie": (200, b'{"status":"success"}', "no vector"),
    "a partial answer": (
        200,
        vector(series("requests", "1"), warnings=["1 of 3 stores did not answer"]),
        "warning.*1 of 3 stores",
    ),
    "NaN": (200, vector(series("requests", "NaN")), "'NaN' as a count of requests"),
    "infinity": (200, vector(series("requests", "+Inf")), "query the counter itself"),
    "a rate": (200, vector(series("requests", "3.7")), r"without rate\(\)"),
    "below zero": (200, vector(series("errors", "-1")), "'-1' as a count of errors"),
    "a word": (200, vector(series("errors", "many")), "'many'"),
    "foreign series": (200, vector(({"job": "x"}, "1")), "without the labels"),
    "a native histogram": (
        200,
        json.dumps(
            {
                "status": "success",
                "data": {
                    "resultType": "vector",
                    "result": [{"metric": {PART: "latency", REVISION: "old"}, "histogram": [1, {}]}],
                },
            }
        ).encode(),
        "native histogram",
    ),
    "too many series": (
        200,
        vector(*(series("requests", "1", pod=str(number)) for number in range(2_001))),
        "2001 series, at most 2000",
    ),
    "no bound": (200, vector(series("latency", "1")), "keep its label 'le'"),
    "twins": (200, vector(series("requests", "1"), series("requests", "2")), "same labels"),
    "no series of errors": (200, vector(series("requests", "5")), r"or vector\(0\)"),
    "ragged buckets": (
        200,
        vector(
            series("requests", "5"),
            series("errors", "0"),
            series("latency", "1", le="0.1", pod="a"),
            series("latency", "1", le="0.1", pod="b"),
            series("latency", "1", le="+Inf", pod="a"),
        ),
        "different buckets",
    ),
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
async def test_what_cannot_be_counted_with_is_an_error_that_says_why(kind: str) -> None:
    """No answer of these becomes a number."""
    status, body, why = BAD_ANSWERS[kind]
    with answering(status, body) as (url, _), pytest.raises(MetricsError, match=why):
        await asked(url)


async def test_no_series_is_no_data() -> None:
    """The revision is left out."""
    with answering(200, vector()) as (url, _):
        assert await asked(url) == {}


async def test_nobody_there_is_an_error() -> None:
    """In a sentence, with the URL."""
    port = free_port()
    with pytest.raises(MetricsError, match=f"127.0.0.1:{port}.*cannot be asked"):
        await asked(f"http://127.0.0.1:{port}")


async def test_a_name_that_does_not_resolve_is_an_error() -> None:
    """As any other that cannot be reached."""
    with pytest.raises(MetricsError, match="cannot be asked"):
        await asked("http://prometheus.invalid:9090")


async def test_silence_ends_in_time() -> None:
    """By the source's own limit."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        with pytest.raises(MetricsError, match="did not answer within 50 ms"):
            await asked(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_ms=50)


async def test_an_endless_answer_is_cut() -> None:
    """At 4 MiB."""
    with answering(200, b" " * 5_000_000) as (url, _), pytest.raises(MetricsError, match="more than 4194304"):
        await asked(url)


async def test_a_token_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no plan, no configuration and no error."""
    monkeypatch.setenv("PROMETHEUS_TOKEN", "hush-hush")
    token = SecretRef.env("PROMETHEUS_TOKEN")
    with answering(401, b"{}") as (url, heard):
        counters = PrometheusCounters(source(url, token=token))
        with pytest.raises(MetricsError) as refused:
            await counters.counters(SHOP, OLD)
    assert heard[0]["authorization"] == "Bearer hush-hush"
    shown = f"{refused.value!r} {counters.configuration()} {source(url, token=token)!r}"
    assert "hush" not in shown


async def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line break in it would be an injected header."""
    monkeypatch.setenv("PROMETHEUS_TOKEN", "hush\r\nx: y")
    token = SecretRef.env("PROMETHEUS_TOKEN")
    with pytest.raises(InvalidInput) as refused:
        PrometheusCounters(source("http://127.0.0.1:1", token=token))
    assert "hush" not in str(refused.value)
    monkeypatch.delenv("PROMETHEUS_TOKEN")
    with pytest.raises(Unbound):
        PrometheusCounters(source("http://127.0.0.1:1", token=token))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "prometheus:9090"}, "cannot be asked"),
        ({"url": "http://"}, "cannot be asked"),
        ({"url": "http://host:notaport"}, "cannot be asked"),
        ({"url": "http://host/?query=1"}, "cannot be asked"),
        ({"url": "http://me:hush@host"}, "no user and password"),
        ({"requests": "up"}, "PromQL with '{revision}'"),
        ({"errors": ""}, "the errors query"),
        ({"latency": "x"}, "the latency query"),
        ({"latency_unit": "min"}, "latency_unit"),
        ({"token": "abc"}, "must be a SecretRef"),
        ({"ca_file": "ca.pem"}, "absolute path"),
        ({"timeout_ms": 0}, "timeout_ms"),
    ],
)
def test_a_source_that_cannot_be_right_is_refused(wrong: dict[str, object], why: str) -> None:
    """When it is made, with what to do instead, and without a password."""
    with pytest.raises(InvalidInput, match=why) as refused:
        PrometheusSource(**{"url": "http://host", **QUERIES, **wrong})  # type: ignore[arg-type]  # the point
    assert "hush" not in str(refused.value)


async def growing(*looks: bytes) -> list[Counters]:
    """Return what a source says look by look."""
    seen = []
    with answering(200, b"") as (url, _):
        counters = PrometheusCounters(source(url))
    for body in looks:
        with answering(200, body) as (url, _):
            counters._url = f"{url}/api/v1/query"
            seen.append((await counters.counters(SHOP, OLD))["old"])
    return seen


async def test_a_new_instance_counts_from_zero_and_one_that_is_gone_keeps_its_count() -> None:
    """Scaling up, and an instance that is not seen for a while, leave no hole and no jump."""
    first = [series("requests", "100", pod="a"), series("errors", "1", pod="a")]
    second = [series("requests", "7", pod="b"), series("errors", "2", pod="b")]
    later = [series("requests", "110", pod="a"), series("errors", "1", pod="a")]
    seen = await growing(
        vector(*first), vector(*first, *second), vector(*second), vector(*later, *second), vector(*later)
    )
    assert [(each.requests, each.errors) for each in seen] == [(0, 0), (7, 2), (7, 2), (17, 2), (17, 2)]
    assert len({each.incarnation for each in seen}) == 1


async def test_an_instance_that_begins_anew_begins_all_counting_anew() -> None:
    """What it had counted until then is not known."""
    before = [series("requests", "100", pod="a"), series("errors", "10", pod="a")]
    after = [series("requests", "90", pod="a"), series("errors", "0", pod="a")]
    one, other = await growing(vector(*before), vector(*after))
    assert one.incarnation != other.incarnation
    assert (other.requests, other.errors) == (0, 0)


async def test_more_errors_than_requests_are_no_count() -> None:
    """The queries are about different things."""
    first = [series("requests", "1"), series("errors", "1")]
    with pytest.raises(MetricsError, match="about the same requests"):
        await growing(vector(*first), vector(series("requests", "2"), series("errors", "5")))


async def test_a_real_one_over_tls_is_asked_only_where_its_certificate_is_trusted(tmp_path: Path) -> None:
    """Bad TLS is an error; the given authority makes it good."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    mine = authority.issue_cert("127.0.0.1")
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    os.chmod(tmp_path / "key.pem", 0o600)  # noqa: PTH101 -- as it reads
    web = f"tls_server_config:\n  cert_file: {tmp_path / 'cert.pem'}\n  key_file: {tmp_path / 'key.pem'}\n"
    with exporting() as (exporter, address):
        exporter.add("shop@production", "old", "500", 1)
        server = Server(tmp_path, address, web=web, scheme="https")
        server.start()
        try:
            for trusted in (None, str(tmp_path / "other.pem"), str(tmp_path / "missing.pem")):
                with pytest.raises(MetricsError, match="cannot be asked"):
                    await asked(server.url, ca_file=trusted)
            with anyio.fail_after(90):
                found: dict[str, Counters] = {}
                while not found:
                    found = await asked(server.url, ca_file=str(tmp_path / "ca.pem"))
            assert (found["old"].requests, found["old"].errors) == (0, 0)
            with pytest.raises(MetricsError, match=r"400.*parse error"):
                await asked(server.url, ca_file=str(tmp_path / "ca.pem"), requests="sum({revision}")
        finally:
            server.stop()
