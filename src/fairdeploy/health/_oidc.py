"""Ask an OpenID Connect provider how it is. The only module of this room that imports PyJWT."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, final
from urllib.parse import quote_plus

import anyio
import jwt

from fairdeploy.health._http import UNCLEAR, Answer, Request, exchange, fault
from fairdeploy.health.finding import Finding, failed, passed, unclear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.health.secrets import Secrets
    from fairdeploy.model import OIDCCheck

__all__ = ["ask_oidc"]

_OK = 200
_UNAUTHORIZED = {400, 401}
_JWT_DOTS = 2
_LEEWAY = 60
"""Seconds by which clocks may differ."""
_SIGNATURES = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
]
"""Asymmetric only: a token signed with a shared secret, or with nothing, proves nothing here."""


@final
class _Wrong(Exception):
    """What was found on the way."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


async def ask_oidc(check: OIDCCheck, secrets: Secrets) -> Finding:
    """Discover the provider, read its keys, and ask it for a token."""
    asked = f"provider {check.issuer!r}"
    try:
        with anyio.fail_after(check.timeout_ms / 1000):
            return await _asked(check, secrets, asked)
    except TimeoutError:
        return failed(asked, f"{asked} did not answer within {check.timeout_ms} ms")
    except _Wrong as wrong:
        return wrong.finding


async def _asked(check: OIDCCheck, secrets: Secrets, asked: str) -> Finding:
    where = check.issuer.removesuffix("/") + "/.well-known/openid-configuration"
    document = await _json(Request(url=where, verify=check.verify), asked, "its configuration")
    if document.get("issuer") != check.issuer:
        said = str(document.get("issuer"))
        raise _Wrong(failed(asked, f"{asked} calls itself {said[:200]!r}: tokens of it would be refused"))
    keys = await _keys(check, _endpoint(document, "jwks_uri", check, asked), asked)
    if check.client_id is None or check.client_secret is None:
        return passed(asked, f"{asked} publishes {len(keys.keys)} keys")
    token = await _token(check, document, secrets, asked)
    if token.count(".") != _JWT_DOTS:
        return passed(asked, f"{asked} gives {check.client_id!r} a token, which only it can read")
    _prove(token, keys, check, asked)
    return passed(asked, f"{asked} gives {check.client_id!r} a token signed with a key that it publishes")


async def _keys(check: OIDCCheck, url: str, asked: str) -> jwt.PyJWKSet:
    document = await _json(Request(url=url, verify=check.verify), asked, "its keys")
    try:
        # Keys of a kind that this library does not know are passed over; it raises if none is left.
        return jwt.PyJWKSet.from_dict(document)
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise _Wrong(
            failed(asked, f"{asked} publishes no key that can be used: {type(error).__name__}")
        ) from None


async def _token(check: OIDCCheck, document: dict[str, object], secrets: Secrets, asked: str) -> str:
    url = _endpoint(document, "token_endpoint", check, asked)
    assert check.client_id is not None  # noqa: S101 -- for type checkers: the caller has looked
    assert check.client_secret is not None  # noqa: S101 -- as above
    form = {"grant_type": "client_credentials"}
    if check.token_scope:
        form["scope"] = check.token_scope
    if check.audience:
        form["audience"] = check.audience
    secret, headers = secrets[check.client_secret], {}
    if _posts(document, check.client_id, secret):
        form |= {"client_id": check.client_id, "client_secret": secret}
    else:
        headers["authorization"] = _basic(check.client_id, secret)
    request = Request(url=url, headers=headers, form=form, verify=check.verify)
    answer = await _answer(request, asked, "for a token")
    body = _parsed(answer)
    if answer.status in _UNAUTHORIZED:
        why = body.get("error") if isinstance(body, dict) else None
        raise _Wrong(
            unclear(
                asked, f"{asked} gives {check.client_id!r} no token ({str(why)[:80]}): look at the client"
            )
        )
    if answer.status != _OK or not isinstance(body, dict) or not isinstance(body.get("access_token"), str):
        raise _Wrong(failed(asked, f"{asked} answered {answer.status} without a token"))
    return str(body["access_token"])


def _prove(token: str, keys: jwt.PyJWKSet, check: OIDCCheck, asked: str) -> None:
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        named = [key for key in keys.keys if kid is None or key.key_id == kid]
        if not named:
            raise _Wrong(failed(asked, f"{asked} signs with a key that it does not publish"))
        jwt.decode(
            token,
            named[0],
            algorithms=_SIGNATURES,
            issuer=check.issuer,
            audience=check.audience,
            leeway=_LEEWAY,
            options={"verify_aud": check.audience is not None, "require": ["exp", "iss"]},
        )
    except jwt.PyJWTError as error:
        raise _Wrong(
            failed(asked, f"{asked} gives a token that is not valid: {type(error).__name__}")
        ) from None


def _posts(document: Mapping[str, object], name: str, secret: str) -> bool:
    """Whether credentials go into the form: where nothing else is taken, or where a header would be misread.

    Not every provider undoes the quoting that RFC 6749, 2.3.1 asks for in the header.
    """
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if not isinstance(methods, list) or "client_secret_post" not in methods:
        return False
    return "client_secret_basic" not in methods or quote_plus(name + secret) != name + secret


def _basic(name: str, secret: str) -> str:
    """Return credentials as RFC 6749, 2.3.1 wants them: quoted as in a form, then as in HTTP."""
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def _endpoint(document: Mapping[str, object], name: str, check: OIDCCheck, asked: str) -> str:
    url = document.get(name)
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise _Wrong(failed(asked, f"{asked} names no {name}"))
    if check.issuer.startswith("https://") and not url.startswith("https://"):
        raise _Wrong(failed(asked, f"{asked} names a {name} without TLS: it was not asked"))
    return url


async def _json(request: Request, asked: str, what: str) -> dict[str, object]:
    answer = await _answer(request, asked, f"for {what}")
    document = _parsed(answer)
    if answer.status != _OK or not isinstance(document, dict):
        raise _Wrong(failed(asked, f"{asked} answered {answer.status} instead of {what}"))
    return document


async def _answer(request: Request, asked: str, purpose: str) -> Answer:
    try:
        return await exchange(request)
    except UNCLEAR as error:
        raise _Wrong(fault(error, asked, f"{asked}, asked {purpose},")) from None


def _parsed(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
