"""`PrometheusCheck`, asked of a real Prometheus, and of some that are not well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fairdeploy.health import run_check
from fairdeploy.model import PrometheusCheck, SecretRef, Target, Verdict
from fairdeploy.protocols import Subject
from tests.health.serving import NOBODY, answer, hang, served, until
from tests.metrics.prometheus import Server, exporting, vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.model import CheckResult

pytestmark = pytest.mark.anyio

SHOP = Target("shop")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run on both event loops."""
    return str(request.param)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a Prometheus that has scraped requests of two revisions."""
    with exporting() as (exporter, address):
        exporter.add(SHOP.id, "old", "200", 100)
        exporter.add(SHOP.id, "new", "500", 7)
        server = Server(tmp_path_factory.mktemp("prometheus"), address, scrape=3)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


async def _asked(server: str, query: str, **given: Any) -> CheckResult:  # noqa: ANN401 -- of PrometheusCheck
    subject = Subject(target=SHOP, revision="new")
    return await run_check(PrometheusCheck(query, server=server, **given), subject)


async def _scraped(server: str) -> None:
    async def seen() -> bool:
        return (await _asked(server, "http_requests_total", series=9, low=0)).healthy

    await until(seen)


async def test_numbers_are_held_against_the_limits(prometheus: str) -> None:
    """Within them it passes, beyond one it fails, and the message has the number; a scalar is a number too."""
    await _scraped(prometheus)
    query = 'sum(http_requests_total{target="{target}"})'
    within = await _asked(prometheus, query, low=100, high=200)
    below = await _asked(prometheus, query, low=108)
    above = await _asked(prometheus, query, high=106.5)
    scalar = await _asked(prometheus, "scalar(vector(3))", low=3, high=3)

    assert [each.verdict for each in (within, below, above, scalar)] == [
        Verdict.PASS,
        Verdict.FAIL,
        Verdict.FAIL,
        Verdict.PASS,
    ]
    assert below.message == f"{query!r} is 107, expected at least 108"


async def test_a_revision_can_be_asked_about(prometheus: str) -> None:
    """Its id is put into the query."""
    await _scraped(prometheus)
    query = 'http_requests_total{revision="{revision}",code="500"}'
    result = await _asked(prometheus, query, high=5, scope="revision")

    assert (result.verdict, "is 7, expected at most 5" in result.message) == (Verdict.FAIL, True)


async def test_nothing_to_know_is_no_data(prometheus: str) -> None:
    """No series, and no number: neither is zero."""
    none = await _asked(prometheus, 'http_requests_total{code="418"}', low=0)
    nan = await _asked(prometheus, "vector(0) / vector(0)", low=0)

    assert (none.verdict, none.message) == (
        Verdict.NO_DATA,
        "'http_requests_total{code=\"418\"}' gives no series",
    )
    assert (nan.verdict, "gives no number" in nan.message) == (Verdict.NO_DATA, True)


async def test_infinity_is_a_number(prometheus: str) -> None:
    """A ratio to nothing is beyond any limit."""
    assert (await _asked(prometheus, "vector(1) / vector(0)", high=1e300)).verdict is Verdict.FAIL


async def test_a_query_of_another_kind_is_an_error(prometheus: str) -> None:
    """More series than said, samples over time, a text, and what is no PromQL."""
    await _scraped(prometheus)
    many = await _asked(prometheus, "http_requests_total", low=0)
    others = [
        await _asked(prometheus, query, low=0)
        for query in ("http_requests_total[1m]", '"text"', "sum(", "up{job=")
    ]

    assert (many.verdict, "gives 2 series, expected at most 1" in many.message) == (Verdict.ERROR, True)
    assert [each.verdict for each in others] == [Verdict.ERROR] * 4
    assert "answered 400: " in others[2].message


async def test_a_server_that_is_not_well_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing about what it watches: silent, broken, lying, in part, gone."""
    monkeypatch.setenv("TOKEN", "s3cret")
    bearer, path = SecretRef.env("TOKEN"), "/api/v1/query"
    partial = vector(({}, "1"), warnings=["1 of 3 stores did not answer s3cret"])
    async with served({path: hang}) as site:
        found = [await _asked(site.url(), "up", low=1, timeout_ms=100, bearer=bearer)]
        for reply in (
            answer(502),
            answer(200, b"<html>"),
            answer(200, {"status": "success"}),
            answer(200, partial),
        ):
            site.replies[path] = reply
            found.append(await _asked(site.url(), "up", low=1, bearer=bearer))
        asked = site.asked[-1]
        address = site.url()
    found.append(await _asked(address, "up", low=1))
    found.append(await _asked("https://nobody.invalid", "up", low=1))

    assert [each.verdict for each in found] == [Verdict.ERROR] * 7
    assert "authorization: Bearer s3cret" in asked
    assert "s3cret" not in repr(found)


async def test_a_server_is_asked_below_its_path() -> None:
    """A Prometheus behind a proxy has one."""
    async with served({"/prometheus/api/v1/query": answer(200, vector(({}, "1")))}) as site:
        check = PrometheusCheck("up", server=site.url("/prometheus/"), low=1)
        assert (await run_check(check, NOBODY)).verdict is Verdict.PASS
