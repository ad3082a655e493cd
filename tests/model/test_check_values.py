"""Checks that cannot be right are refused where they are made; those that can, survive being written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fairdeploy import model
from fairdeploy.errors import InvalidInput
from fairdeploy.journal import codec
from fairdeploy.model import Asked, Base, Guard, Plan, SecretRef, Target, Verify, _words
from fairdeploy.model.check import bound_in, is_asked, is_data

# Wrong types are the point here, so the values are built through `Any`.
words: Any = model
REF = SecretRef.env("SECRET")
URL = "https://db.example.org"

EVERY: dict[str, tuple[Asked, str]] = {
    "http": (
        words.HTTPCheck(
            f"{URL}/health",
            scope="shared",
            json={"/status": "ok", "/load": 0.5, "/up": True, "/none": None},
            headers={"Content-Type": "json"},
            send={"apikey": REF, "accept": "*/*"},
            bearer=REF,
            lacks="error",
            redirects=2,
            certificate_days=14,
            verify="/etc/ca.pem",
        ),
        f"GET {URL}/health (shared)",
    ),
    "command": (words.CommandCheck(["true"], contains="ok", scope="shared"), "run true"),
    "postgres": (
        words.PostgresCheck(REF, role="replica", max_lag_ms=500),
        "ask PostgreSQL at env SECRET (replica)",
    ),
    "oidc": (
        words.OIDCCheck(URL, client_id="lab", client_secret=REF),
        f"ask the provider {URL} for a token of lab",
    ),
    "folder": (words.StorageCheck("/srv", min_free_percent=10), "write to /srv"),
    "bucket": (
        words.StorageCheck("s3://lab/uploads", write=False, endpoint=URL, key=REF, secret=REF),
        "look at s3://lab/uploads",
    ),
    "prometheus": (
        words.PrometheusCheck("up", server=URL, low=1, high=2.5),
        "up at least 1 and at most 2.5",
    ),
    "quorum": (
        words.Quorum([words.TCPCheck("a:1", scope="shared"), words.any_of(words.PostgresCheck(REF))], need=2),
        "2 of 2 (connect to a:1; 1 of 1 (ask PostgreSQL at env SECRET))",
    ),
}


@pytest.mark.parametrize(("check", "says"), EVERY.values(), ids=EVERY)
def test_a_check_travels_in_a_plan(check: Asked, says: str) -> None:
    """It is written and read back the same, with the same hash, in a step and in a guard; and it reads as a sentence."""
    shop = Target("shop")
    plan = Plan(
        strategy="Canary",
        bases=(Base(shop, candidate="2"),),
        steps=(Verify("verify", target=shop.id, revision="2", checks=(check,)),),
        guards=(Guard("g", check=check, target=shop.id, candidate="2", since="verify", until="verify"),),
    )

    assert codec.plan(codec.encode_plan(plan), "the plan") == plan
    assert hash(check) == hash(codec.plan(codec.encode_plan(plan), "the plan").guards[0].check)
    assert _words.check(check) == says
    assert (is_asked(check), is_data(check)) == (True, True)


def test_a_plan_of_before_can_be_read() -> None:
    """A check that was recorded without the conditions that came later has none."""
    check = words.HTTPCheck("/health")
    later = ("lacks", "json", "headers", "send", "bearer", "redirects", "certificate_days", "verify")
    shop = Target("shop")
    plan = Plan(
        strategy="Canary",
        bases=(Base(shop, candidate="2"),),
        steps=(Verify("verify", target=shop.id, revision="2", checks=(check,)),),
    )
    text = codec.encode_plan(plan)
    for name, spelled in zip(later, ("null", "{}", "{}", "{}", "null", "0", "null", "true"), strict=True):
        text = text.replace(f'"{name}":{spelled},', "").replace(f',"{name}":{spelled}', "")

    assert '"lacks"' not in text
    assert codec.plan(text, "the plan") == plan


def test_callables_are_found_within_a_quorum() -> None:
    """However deep, so that a plan that names one is refused without it."""
    inner = words.any_of(words.BoundCheck("a"), words.BoundCheck("b"))
    check = words.all_of(words.BoundCheck("c"), inner)

    assert [each.name for each in bound_in(check)] == ["c", "a", "b"]


BAD: dict[str, tuple[Any, str]] = {
    "a credential in the open": (
        lambda: words.HTTPCheck("/", send={"Authorization": "Bearer x"}),
        "SecretRef.env",
    ),
    "a header that cannot be sent": (
        lambda: words.HTTPCheck("/", send={"a b": "x"}),
        "'a b' that cannot be sent",
    ),
    "a header over two lines": (
        lambda: words.HTTPCheck("/", send={"a": "x\r\nb: y"}),
        "leave out line breaks",
    ),
    "a wanted header that is secret": (lambda: words.HTTPCheck("/", headers={"a": REF}), "printable ASCII"),
    "a pointer that is none": (
        lambda: words.HTTPCheck("/", json={"status": "ok"}),
        "'status', which is no JSON Pointer",
    ),
    "a pointer with a wrong escape": (lambda: words.HTTPCheck("/", json={"/a~2": 1}), "no JSON Pointer"),
    "a list to compare with": (lambda: words.HTTPCheck("/", json={"/a": [1]}), "must be a text, a number"),
    "too many redirects": (lambda: words.HTTPCheck("/", redirects=99), "redirects must be from 0 to 20"),
    "days of a plain address": (lambda: words.HTTPCheck("/", certificate_days=1), "begins with https://"),
    "days of what nobody verifies": (
        lambda: words.HTTPCheck(URL, scope="shared", certificate_days=1, verify=False),
        "leave out verify=False",
    ),
    "certificates by a relative path": (
        lambda: words.HTTPCheck("/", verify="ca.pem"),
        "must be an absolute path",
    ),
    "an address that is none": (lambda: words.HTTPCheck("http://[", scope="shared"), "must be a URL such as"),
    "a bearer as text": (lambda: words.HTTPCheck("/", bearer="s3cret"), "bearer must be a SecretRef"),
    "a DSN as text": (
        lambda: words.PostgresCheck("postgresql://app:s3cret@db/app"),
        "dsn must be a SecretRef",
    ),
    "no DSN": (lambda: words.PostgresCheck(None), "needs a DSN"),
    "a role that is none": (lambda: words.PostgresCheck(REF, role="standby"), "not 'standby'"),
    "the lag of a primary": (lambda: words.PostgresCheck(REF, max_lag_ms=1), "give role='replica'"),
    "an issuer that is no address": (lambda: words.OIDCCheck("login"), "issuer must be a URL"),
    "an issuer with a query": (lambda: words.OIDCCheck(f"{URL}/?a=b"), "no query and no fragment"),
    "a client without a secret": (lambda: words.OIDCCheck(URL, client_id="lab"), "go together"),
    "an audience without a client": (lambda: words.OIDCCheck(URL, audience="lab"), "are about a token"),
    "a relative folder": (lambda: words.StorageCheck("uploads"), "'uploads' must be an absolute path"),
    "a key for a folder": (lambda: words.StorageCheck("/srv", key=REF, secret=REF), "go with 's3://bucket'"),
    "a bucket that is none": (lambda: words.StorageCheck("s3://Ä"), "is no bucket"),
    "a key without a secret": (lambda: words.StorageCheck("s3://lab", key=REF), "key and secret go together"),
    "more than all of it": (
        lambda: words.StorageCheck("/srv", min_free_percent=101),
        "from 0 to 100, not 101",
    ),
    "no limit": (lambda: words.PrometheusCheck("up", server=URL), "would pass any number"),
    "limits that cross": (
        lambda: words.PrometheusCheck("up", server=URL, low=2, high=1),
        "low=2 is above high=1",
    ),
    "a limit that is no number": (
        lambda: words.PrometheusCheck("up", server=URL, low=float("nan")),
        "low must be a finite number",
    ),
    "no query": (lambda: words.PrometheusCheck(" ", server=URL, low=1), "query must be PromQL"),
    "a revision without a place": (
        lambda: words.PrometheusCheck("up", server=URL, low=1, scope="revision"),
        "goes with scope='revision'",
    ),
    "a place without a revision": (
        lambda: words.PrometheusCheck('up{a="{revision}"}', server=URL, low=1),
        "goes with scope='revision'",
    ),
}


@pytest.mark.parametrize(("made", "says"), BAD.values(), ids=BAD)
def test_what_cannot_be_right_is_refused(made: Any, says: str) -> None:  # noqa: ANN401 -- see above
    """It names the value, and never one that may be a secret."""
    with pytest.raises(InvalidInput) as refused:
        made()

    assert says in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("made", ["https://app:s3cret@db.example.org", "https://s3cret@db.example.org/path"])
def test_credentials_in_an_address_are_refused_and_not_shown(made: str) -> None:
    """They would stand in every plan."""
    makes: list[Callable[[], object]] = [
        lambda: words.HTTPCheck(made, scope="shared"),
        lambda: words.OIDCCheck(made),
        lambda: words.PrometheusCheck("up", server=made, low=1),
        lambda: words.StorageCheck("s3://lab", endpoint=made),
    ]
    for make in makes:
        with pytest.raises(InvalidInput, match="holds credentials") as refused:
            make()
        assert "s3cret" not in str(refused.value)
