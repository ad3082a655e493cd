from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from random import Random

import pytest
from hypothesis import given, strategies as st

from fairdeploy.model import Release, SecretRef, Severity, Target
from fairdeploy.validation import is_secret_name, plain_secrets, why_placeholder, why_weak

SHOP = Target("shop")
REAL = "9f2c4be1d07a4c3f8e65aa10b7d3c921"


def token(payload: dict[str, object], secret: str) -> str:
    """Sign a JSON Web Token."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = (
        f"{part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{part(json.dumps(payload).encode())}"
    )
    return f"{signed}.{part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "changeme",
        "change_me",
        "CHANGE-ME-please",
        "please_change_me",
        "replace-with-your-key",
        "<your token>",
        "${POSTGRES_PASSWORD}",
        "{{ vault_password }}",
        "****",
        "password",
        "secret",
        "postgres",
        "your-super-secret-and-long-postgres-password",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "this_password_is_insecure_and_should_be_updated",
        "your-encryption-key-32-chars-min",
        "django-insecure-abc",
        "minioadmin",
        "postgresql://app:changeme@db/shop",
        "postgresql://app:your-super-secret-and-long-postgres-password@db:5432/shop",
    ],
)
def test_values_that_everybody_knows_are_placeholders(value: str) -> None:
    """Those of example files, also inside a database's URL."""
    assert why_placeholder(value) is not None


@pytest.mark.parametrize(
    "value",
    [
        REAL,
        f"postgresql://app:{REAL}@db/shop",
        "correct horse battery staple",
        "https://shop.example/login",
        "eyJ.x.y",
    ],
)
def test_values_that_could_be_secrets_are_none(value: str) -> None:
    """A real secret is not refused."""
    assert why_placeholder(value) is None


def test_supabase_demo_keys_and_example_tokens_are_found() -> None:
    """By issuer, by the example of jwt.io, and by the secret that signs them."""
    demo = token({"role": "anon", "iss": "supabase-demo"}, REAL)
    example = token({"sub": "1234567890", "name": "John Doe", "iat": 1516239022}, "your-256-bit-secret")
    signed = token(
        {"role": "service_role", "iss": "supabase"},
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
    )
    assert why_placeholder(demo) == "is Supabase's public demo key"
    assert why_placeholder(example) == "is the example of jwt.io"
    assert why_placeholder(signed) == "is signed with a secret from a public example"
    assert why_placeholder(token({"role": "service_role", "iss": "supabase"}, REAL)) is None


@given(st.integers(min_value=0))
def test_generated_secrets_are_neither_placeholders_nor_weak(seed: int) -> None:
    """Whatever `openssl rand -hex 16` makes is taken."""
    value = Random(seed).randbytes(16).hex()
    assert why_placeholder(value) is None
    assert why_weak(value) is None


@given(st.text())
def test_no_value_is_ever_shown(value: str) -> None:
    """What is said of a secret does not hold it, however short."""
    for said in (why_placeholder(value), why_weak(value)):
        assert said is None or len(value) < 4 or value not in said


@pytest.mark.parametrize("value", ["short", "aaaaaaaaaaaaaaaa"])
def test_values_that_could_be_guessed_are_weak(value: str) -> None:
    """Too few characters, or too few different ones."""
    assert why_weak(value) is not None


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("POSTGRES_PASSWORD", True),
        ("JWT_SECRET", True),
        ("SERVICE_ROLE_KEY", True),
        ("SECRET_KEY_BASE", True),
        ("aws_secret_access_key", True),
        ("TOKEN_FILE", False),
        ("PASSWORD_RESET_URL", False),
        ("MONKEY", False),
        ("LOG_LEVEL", False),
    ],
)
def test_names_tell_secrets(name: str, secret: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """A variable's name says what it holds; files and addresses of secrets are none."""
    assert is_secret_name(name) is secret


def test_a_secret_in_the_release_itself_is_found() -> None:
    """In a variable, in a URL and in a config file; placeholders are critical, real ones a warning."""
    value = secrets.token_hex(16)
    release = Release(
        "1",
        command=["serve", "{port}"],
        env={"API_TOKEN": value, "DATABASE_URL": "postgresql://app:changeme@db/x", "LOG_LEVEL": "info"},
        config={
            "app.ini": f"[db]\npassword = {value}\nhost = db\n",
            "app.json": '{"jwt_secret": "changeme"}',
        },
    )
    found = plain_secrets(SHOP, release)
    assert [(each.name, each.severity) for each in found] == [
        ("env", Severity.WARNING),
        ("env", Severity.CRITICAL),
        ("config file 'app.ini'", Severity.WARNING),
        ("config file 'app.json'", Severity.CRITICAL),
    ]
    assert all(value not in f"{each.message}{each.remedy}{each.evidence}" for each in found)


def test_a_placeholder_stops_nobody_who_only_tries() -> None:
    """In a test environment it is a warning."""
    release = Release("1", command=["serve", "{port}"], env={"API_TOKEN": "changeme"})
    assert plain_secrets(Target("shop", environment="test"), release)[0].severity is Severity.WARNING


def test_a_secret_that_is_referred_to_is_no_plain_secret() -> None:
    """That is how it should be given."""
    release = Release("1", command=["serve", "{port}"], env={"API_TOKEN": SecretRef.env("API_TOKEN")})
    assert plain_secrets(SHOP, release) == ()
