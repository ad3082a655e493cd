"""Conditions on an answer, redirects, certificates, and servers that do none of it right."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from fairdeploy.health import endpoints, run_check
from fairdeploy.model import HTTPCheck, SecretRef, Verdict
from tests.health.serving import NOBODY, answer, served, subject, trickle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairdeploy.model import CheckResult
    from tests.health.serving import Reply

pytestmark = pytest.mark.anyio

WELL = answer(body={"status": "ok", "checks": [{"up": True}], "a/b": 1, "m~n": 2})


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run on both event loops."""
    return str(request.param)


async def _asked(replies: Mapping[str, Reply], *paths: str, **given: Any) -> CheckResult:  # noqa: ANN401 -- of HTTPCheck
    async with served(replies) as site:
        return await run_check(HTTPCheck(*(paths or ("/",)), **given), subject(site.address))


# What an answer holds.


@pytest.mark.parametrize(
    "wanted",
    [{"/status": "ok"}, {"/checks/0/up": True}, {"/a~1b": 1, "/m~0n": 2.0}, {"/status": "ok", "/a~1b": 1}],
)
async def test_json_is_looked_into(wanted: dict[str, Any]) -> None:
    """Values are found by JSON Pointer."""
    assert (await _asked({"/": WELL}, json=wanted)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"/status": "down"}, "but its JSON has 'ok' at '/status', expected 'down'"),
        ({"/checks/0/up": 1}, "but its JSON has True at '/checks/0/up', expected 1"),
        ({"/checks/7": 1}, "but its JSON has no '/checks/7'"),
        ({"/status/deeper": 1}, "but its JSON has no '/status/deeper'"),
        ({"": "ok"}, "at '', expected 'ok'"),
    ],
)
async def test_json_that_says_something_else_fails(wanted: dict[str, Any], says: str) -> None:
    """The message has what was found and what was expected; true is not 1."""
    result = await _asked({"/": WELL}, json=wanted)

    assert result.verdict is Verdict.FAIL
    assert says in result.message


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"", b"[" * 100_000, b"\xff\xfe"])
async def test_what_is_no_json_fails(body: bytes) -> None:
    """A start page in the place of an answer, or a document made to be deep, is no pass."""
    result = await _asked({"/": answer(body=body)}, json={"/status": "ok"})

    assert (result.verdict, "but not with JSON" in result.message) == (Verdict.FAIL, True)


async def test_a_200_with_an_error_in_it_fails() -> None:
    """An endpoint that says 200 to everything is told by what must not be in its body."""
    result = await _asked({"/": answer(body=b'{"error": "no database"}')}, lacks='"error"')

    assert (result.verdict, result.message) == (
        Verdict.FAIL,
        "instance 'i0' at / answered 200, but with '\"error\"'",
    )


async def test_headers_are_asked_for() -> None:
    """A header must be there, and hold the text, in any case of letters."""
    replies = {"/": answer(headers={"Content-Type": "application/JSON"})}
    found = await _asked(replies, headers={"content-type": "json"})
    wrong = await _asked(replies, headers={"content-type": "xml"})
    missing = await _asked(replies, headers={"x-version": ""})

    assert [each.verdict for each in (found, wrong, missing)] == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
    assert "but not with the header 'x-version': ''" in missing.message


async def test_the_defaults_of_an_api_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health, samples and metadata answer 200, with a token where one is given."""
    monkeypatch.setenv("API_TOKEN", "s3cret")
    well = {"/health": WELL, "/api/v1/samples": WELL, "/api/v1/metadata": WELL}
    async with served(well) as site:
        check = endpoints(site.url(), bearer=SecretRef.env("API_TOKEN"))
        good = await run_check(check, NOBODY)
        asked = list(site.asked)
        site.replies["/api/v1/samples"] = answer(500)
        bad = await run_check(check, NOBODY)

    assert (good.verdict, good.message) == (Verdict.PASS, "all 3 answers are good")
    assert all("authorization: Bearer s3cret" in request for request in asked)
    assert (bad.verdict, bad.message) == (
        Verdict.FAIL,
        f"{site.url('/api/v1/samples')} answered 500, expected 200 to 200",
    )


# Redirects.


async def test_a_redirect_is_followed_within_the_site() -> None:
    """The answer at its end is judged."""
    replies = {"/": answer(302, headers={"location": "/there"}), "/there": WELL, "/bad": answer(503)}
    well = await _asked(replies, redirects=1, json={"/status": "ok"})
    replies["/"] = answer(307, headers={"location": "/bad"})
    bad = await _asked(replies, redirects=1)

    assert (well.verdict, bad.message) == (
        Verdict.PASS,
        "instance 'i0' at / answered 503, expected 200 to 399",
    )


async def test_a_redirect_elsewhere_fails_and_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A login page of another site is no answer, and gets no credentials; what it is told is not shown."""
    monkeypatch.setenv("KEY", "s3cret")
    async with served({"/login": WELL}) as other:
        replies = {"/": answer(302, headers={"location": other.url("/login?next=s3cret")})}
        result = await _asked(replies, redirects=5, send={"apikey": SecretRef.env("KEY")})

    assert result.verdict is Verdict.FAIL
    assert f"leads to '{other.url('/login')}'" in result.message
    assert other.asked == []


async def test_redirects_in_a_circle_end() -> None:
    """After so many the last answer counts as leading elsewhere."""
    result = await _asked({"/": answer(302, headers={"location": "/"})}, redirects=3)

    assert (result.verdict, "one redirect too many" in result.message) == (Verdict.FAIL, True)


# Slow servers.


async def test_an_answer_that_never_ends_fails_in_time() -> None:
    """The deadline is over the body too."""
    result = await _asked({"/": trickle}, contains="end", timeout_ms=200)

    assert (result.verdict, "did not answer within 200 ms" in result.message) == (Verdict.FAIL, True)


# Certificates.


class _Authority:
    """A certificate authority of ours, and its file."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def context(self, *names: str, days: float = 90) -> ssl.SSLContext:
        """Return the context of a server whose certificate ends in so many days."""
        until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*names, not_before=until - dt.timedelta(days=400), not_after=until).configure_cert(
            context
        )
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> _Authority:
    """Give a certificate authority."""
    return _Authority(tmp_path_factory.mktemp("ca"))


async def _over_tls(context: ssl.SSLContext, **given: Any) -> CheckResult:  # noqa: ANN401 -- of HTTPCheck
    async with served({"/": WELL}, context) as site:
        return await run_check(HTTPCheck(site.url("/"), scope="shared", **given), NOBODY)


async def test_a_certificate_of_ones_own_authority_is_trusted(authority: _Authority) -> None:
    """Its file is given; without it the certificate is not trusted, unless nobody looks."""
    context = authority.context("127.0.0.1")
    given = await _over_tls(context, verify=authority.file)
    without = await _over_tls(context)
    careless = await _over_tls(context, verify=False)

    assert [each.verdict for each in (given, without, careless)] == [
        Verdict.PASS,
        Verdict.ERROR,
        Verdict.PASS,
    ]


async def test_days_left_on_a_certificate_are_asked(authority: _Authority) -> None:
    """Enough pass, too few fail, and none at all fails too where they are asked."""
    verify = authority.file
    enough = await _over_tls(authority.context("127.0.0.1", days=30), verify=verify, certificate_days=14)
    few = await _over_tls(authority.context("127.0.0.1", days=7), verify=verify, certificate_days=14)
    none = await _over_tls(authority.context("127.0.0.1", days=-1), verify=verify, certificate_days=14)

    assert enough.verdict is Verdict.PASS
    assert few.verdict is Verdict.FAIL
    assert "has a certificate for 7.0 more days, expected at least 14" in few.message
    assert (none.verdict, "has a certificate that has expired" in none.message) == (Verdict.FAIL, True)


async def test_a_certificate_for_another_name_is_an_error(authority: _Authority) -> None:
    """Whoever answers there, it is not who was asked."""
    result = await _over_tls(authority.context("db.example.org"), verify=authority.file)

    assert (result.verdict, "certificate" in result.message) == (Verdict.ERROR, True)


async def test_a_missing_file_of_certificates_is_an_error() -> None:
    """The check cannot be put."""
    check = HTTPCheck("https://127.0.0.1:1/", scope="shared", verify="/nowhere/ca.pem")

    assert (await run_check(check, NOBODY)).verdict is Verdict.ERROR


# Secrets.


async def test_a_secret_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable; nobody was asked."""
    monkeypatch.delenv("KEY", raising=False)
    async with served({"/": WELL}) as site:
        check = HTTPCheck("/", send={"apikey": SecretRef.env("KEY")})
        result = await run_check(check, subject(site.address))

    assert (result.verdict, "'KEY' is not set" in result.message, site.asked) == (Verdict.ERROR, True, [])
