"""Whether a secret is one: values that everybody knows are none."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from urllib.parse import unquote, urlsplit

__all__ = ["is_secret_name", "why_placeholder", "why_weak"]

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|TOKEN|APIKEY|CREDENTIALS?|PRIVATE_KEY|API_KEY|ENC_KEY"
    r"|ENCRYPTION_KEY|SIGNING_KEY|ANON_KEY|SERVICE_ROLE_KEY|ACCESS_KEY|SECRET_KEY|SECRET_KEY_BASE|JWT_KEY)(?:_|$)",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(
    r"_(?:FILE|PATH|NAME|ID|TTL|EXPIRY|EXPIRES|URL|HEADER|LENGTH|ALGORITHM)$", re.IGNORECASE
)
_PLACEHOLDER = re.compile(
    r"""^(?:
        <.*>|\{\{.*\}\}|\$\{.*\}|%.*%                                # templates that nobody has filled in
        |[x*.#?0-]{3,}                                               # xxxx, ****
        |(?:please[-_ ]?)?(?:change|replace|fill|set|insert|put|add)[-_ ]?(?:me|this|it|in|here|with|your).*
        |(?:your|my|the|some|a)[-_ ].*(?:key|secret|token|password|passwd|here|pass|string|value|chars|min|long|salt)
        |.*(?:_|-|\b)(?:is_insecure|insecure_and_should|goes[-_ ]here|your[-_ ].*[-_ ]here).*
        |(?:super[-_]?)?(?:secret|password|passwd|passw0rd|pass|token|key|apikey)(?:[-_]?(?:key|token|here|word|123\d*))?
        |(?:placeholder|example|sample|dummy|default|none|null|undefined|unset|test|testing|foo|bar|foobar|admin|root)
        |(?:postgres|supabase|minioadmin|guest|letmein|qwerty|hunter2|123456\d*|s3cr3t|mysecret|supersecret)
        |not[-_ ]?(?:a[-_ ])?(?:real|secret|secure).*
        |django-insecure-.*
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
_KNOWN = frozenset(
    {
        # SHA-256 of values that stand in public example files and do not read as placeholders:
        # SECRET_KEY_BASE of Supabase's .env.example.
        "52f004438faf780274c9c95f",
    }
)
_DIGITS = 24
_SIGNERS = (
    "your-super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase's .env.example
    "super-secret-jwt-token-with-at-least-32-characters-long",  # Supabase's command line tool
    "your-256-bit-secret",  # jwt.io
    "a-string-secret-at-least-256-bits-long",  # jwt.io
    "secret",
)
"""Secrets from public examples: a token that one of them signs can be signed by anybody."""
_SHORTEST = 12
"""Below this many characters a generated secret is weak; NIST SP 800-63B asks for 8 of a *chosen* one with a rate
limit, which keys do not have."""
_FEWEST_DIFFERENT = 4


def is_secret_name(name: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.search(name)


def why_placeholder(value: str) -> str | None:
    """Return why a value is no secret at all, in words that do not show it; ``None``: it may be one."""
    text = value.strip()
    if not text:
        return "is empty"
    if _PLACEHOLDER.match(text) or text in _SIGNERS:
        return "is a placeholder"
    if hashlib.sha256(text.encode()).hexdigest()[:_DIGITS] in _KNOWN:
        return "stands in a public example file"
    return _why_token(text) or _why_url(text)


def why_weak(value: str) -> str | None:
    """Return why a value could be guessed; ``None``: it does not look so."""
    if len(value) < _SHORTEST:
        return f"has fewer than {_SHORTEST} characters"
    if len(set(value)) < _FEWEST_DIFFERENT:
        return f"has fewer than {_FEWEST_DIFFERENT} different characters"
    return None


def _why_token(text: str) -> str | None:
    """Look into a JSON Web Token (RFC 7519)."""
    parts = text.split(".")
    if len(parts) != 3 or not text.startswith("ey"):
        return None
    try:
        payload = json.loads(_decoded(parts[1]))
        signature = _decoded(parts[2])
    except (ValueError, binascii.Error):
        return None
    if not isinstance(payload, dict):
        return None
    if payload.get("iss") == "supabase-demo":
        return "is Supabase's public demo key"
    if payload.get("name") == "John Doe" and payload.get("sub") == "1234567890":
        return "is the example of jwt.io"
    signed = f"{parts[0]}.{parts[1]}".encode()
    for secret in _SIGNERS:
        if hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).digest(), signature):
            return "is signed with a secret from a public example"
    return None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _why_url(text: str) -> str | None:
    """Look at the password in a URL, such as a database's."""
    if "://" not in text:
        return None
    try:
        password = urlsplit(text).password
    except ValueError:
        return None
    if password is None:
        return None
    why = why_placeholder(unquote(password)) if "://" not in password else None
    return f"holds a password that {why}" if why else None
