"""`OIDCCheck`, asked of a real provider, and of some that lie."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from fairdeploy.health import run_check
from fairdeploy.model import OIDCCheck, SecretRef, Verdict
from tests.health.programs import running
from tests.health.serving import NOBODY, Site, answer, hang, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.model import CheckResult

pytestmark = pytest.mark.anyio

SECRET = "s3cret-of-the-lab"
QUOTED = "s3cret/of the:lab+"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run on both event loops."""
    return str(request.param)


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """Give the issuer of a provider that gives JWTs."""
    with running("oidc_server.py", env={"OIDC_SECRET": SECRET}) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def opaque_provider() -> Iterator[str]:
    """Give the issuer of a provider whose tokens only it can read."""
    with running("oidc_server.py", "opaque", env={"OIDC_SECRET": SECRET}) as issuer:
        yield issuer


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give the client's secret."""
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    return monkeypatch


async def _asked(issuer: str, **given: Any) -> CheckResult:  # noqa: ANN401 -- of OIDCCheck
    client = {"client_id": "lab", "client_secret": SecretRef.env("CLIENT_SECRET")}
    result = await run_check(OIDCCheck(issuer, **{**client, **given}), NOBODY)
    assert "s3cret" not in repr(result)
    return result


# A real provider.


async def test_a_provider_that_is_well_passes(provider: str) -> None:
    """It is discovered, publishes a key, and its token is signed with that key, for the audience."""
    result = await _asked(provider, audience="fairdatabase", token_scope="read")

    assert (result.verdict, result.message) == (
        Verdict.PASS,
        f"provider {provider!r} gives 'lab' a token signed with a key that it publishes",
    )


async def test_without_a_client_no_token_is_asked_for(provider: str) -> None:
    """Discovery and keys are enough."""
    result = await _asked(provider, client_id=None, client_secret=None)

    assert (result.verdict, result.message) == (Verdict.PASS, f"provider {provider!r} publishes 1 keys")


async def test_a_token_that_cannot_be_read_is_a_token(opaque_provider: str) -> None:
    """Not every provider gives JWTs."""
    result = await _asked(opaque_provider)

    assert (result.verdict, "which only it can read" in result.message) == (Verdict.PASS, True)


async def test_a_client_that_is_refused_is_an_error(provider: str, secret: pytest.MonkeyPatch) -> None:
    """The provider is well; the client is not."""
    secret.setenv("CLIENT_SECRET", "s3cret-of-old")
    result = await _asked(provider)

    assert (result.verdict, "gives 'lab' no token (invalid_client)" in result.message) == (
        Verdict.ERROR,
        True,
    )


async def test_a_token_for_somebody_else_fails(provider: str) -> None:
    """The audience is asked for."""
    result = await _asked(provider, audience="another")

    assert (result.verdict, "not valid: InvalidAudienceError" in result.message) == (Verdict.FAIL, True)


async def test_an_issuer_that_calls_itself_otherwise_fails(provider: str) -> None:
    """To the letter: a slash more is another issuer, and tokens would be refused."""
    result = await _asked(f"{provider}/")

    assert (result.verdict, f"calls itself {provider!r}" in result.message) == (Verdict.FAIL, True)


# Providers that lie.


def _lying(site: Site, token: str | bytes = b"", **document: object) -> None:
    """Have a site answer as a provider whose keys are ours."""
    known = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    told = {"issuer": site.url(), "jwks_uri": site.url("/keys"), "token_endpoint": site.url("/token")}
    site.replies |= {
        "/.well-known/openid-configuration": answer(body={**told, **document}),
        "/keys": answer(body={"keys": [{**known, "kid": "ours", "use": "sig"}]}),
        "/token": answer(body={"access_token": str(token), "token_type": "Bearer"}),
    }


def _token(
    site: Site,
    key: rsa.RSAPrivateKey | str = KEY,
    kid: str | None = "ours",
    algorithm: str = "RS256",
    **claims: object,
) -> str:
    body = {"iss": site.url(), "exp": int(time.time()) + 600, **claims}
    headers = None if kid is None else {"kid": kid}
    return jwt.encode({k: v for k, v in body.items() if v is not None}, key, algorithm, headers)


async def test_a_good_token_of_a_provider_of_ours_passes() -> None:
    """With the key named, and not named: what follows fails for its own reason."""
    async with served({}) as site:
        _lying(site, _token(site))
        named = await _asked(site.url())
        _lying(site, _token(site, kid=None))
        unnamed = await _asked(site.url())

    assert (named.verdict, unnamed.verdict) == (Verdict.PASS, Verdict.PASS)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"exp": 1_000}, "ExpiredSignatureError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"iss": "https://else.example.org"}, "InvalidIssuerError"),
        ({"key": OTHER}, "InvalidSignatureError"),
        ({"kid": "theirs"}, "signs with a key that it does not publish"),
        ({"key": "a shared secret of 32 bytes or more", "algorithm": "HS256"}, "InvalidAlgorithmError"),
        ({"key": "", "algorithm": "none"}, "InvalidAlgorithmError"),
    ],
)
async def test_a_token_that_proves_nothing_fails(made: dict[str, Any], says: str) -> None:
    """Expired, of another issuer, of another key, signed with what is no key pair, not signed at all."""
    async with served({}) as site:
        _lying(site, _token(site, **made))
        result = await _asked(site.url())

    assert (result.verdict, says in result.message) == (Verdict.FAIL, True)


async def test_a_configuration_that_is_none_fails() -> None:
    """A start page, a server error, and one that names no keys or no place for tokens."""
    async with served({}) as site:
        where = "/.well-known/openid-configuration"
        found: list[str] = []
        for reply in (
            answer(body=b"<html>"),
            answer(503),
            answer(302, headers={"location": "/login"}),
            answer(body={"issuer": site.url()}),
            answer(body={"issuer": site.url(), "jwks_uri": "file:///etc/passwd"}),
        ):
            site.replies[where] = reply
            result = await _asked(site.url())
            assert result.verdict is Verdict.FAIL
            found.append(result.message.removeprefix(f"provider {site.url()!r} "))

    assert found == [
        "answered 200 instead of its configuration",
        "answered 503 instead of its configuration",
        "answered 302 instead of its configuration",
        "names no jwks_uri",
        "names no jwks_uri",
    ]


@pytest.mark.parametrize(
    "keys", [{}, {"keys": []}, {"keys": [{"kty": "unknown"}]}, {"keys": "none"}, {"keys": [7]}]
)
async def test_keys_that_are_none_fail(keys: object) -> None:
    """Nobody could prove a token of it."""
    async with served({}) as site:
        _lying(site)
        site.replies["/keys"] = answer(body=keys)
        result = await _asked(site.url())

    assert (result.verdict, "publishes no key that can be used" in result.message) == (Verdict.FAIL, True)


async def test_a_token_endpoint_that_is_broken_fails() -> None:
    """It answers 500, or 200 without a token."""
    async with served({}) as site:
        _lying(site)
        for reply in (answer(500), answer(200, body={"access_token": 7}), answer(200, body=b"ok")):
            site.replies["/token"] = reply
            result = await _asked(site.url())
            assert (result.verdict, "without a token" in result.message) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("methods", "secret_sent"),
    [
        (["client_secret_post"], "client_secret=s3cret%2Fof+the%3Alab%2B"),
        (["client_secret_basic", "client_secret_post"], "client_secret=s3cret%2Fof+the%3Alab%2B"),
        (["client_secret_basic"], "Basic " + b64encode(b"lab:s3cret%2Fof+the%3Alab%2B").decode()),
        ("nonsense", "Basic " + b64encode(b"lab:s3cret%2Fof+the%3Alab%2B").decode()),
    ],
)
async def test_the_secret_is_sent_as_the_provider_takes_it(
    methods: object, secret_sent: str, secret: pytest.MonkeyPatch
) -> None:
    """In the form where a header is not taken, or would have to be quoted; else in the header, quoted."""
    secret.setenv("CLIENT_SECRET", QUOTED)
    async with served({}) as site:
        _lying(site, "opaque", token_endpoint_auth_methods_supported=methods)
        result = await _asked(site.url())
        (request,) = [each for each in site.asked if each.startswith("POST /token")]

    assert result.verdict is Verdict.PASS
    assert secret_sent in request
    assert ("authorization" in request.lower()) == secret_sent.startswith("Basic")


async def test_a_provider_that_hangs_or_is_not_there_is_told() -> None:
    """Silence fails in time; a name that does not resolve is an error."""
    async with served({"/.well-known/openid-configuration": hang}) as site:
        silent = await _asked(site.url(), timeout_ms=100)
        address = site.url()
    gone = await _asked(address)
    nobody = await _asked("https://nobody.invalid")

    assert (silent.verdict, "did not answer within 100 ms" in silent.message) == (Verdict.FAIL, True)
    assert [gone.verdict, nobody.verdict] == [Verdict.FAIL, Verdict.ERROR]
