"""What checks that speak HTTP are given beside an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model.secret import SecretRef

Scalar: TypeAlias = bool | int | float | str | None

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIALS = {"apikey", "authorization", "cookie", "proxy-authorization", "x-api-key"}
_LONGEST_POINTER = 1_000


def headers(
    value: Mapping[str, str | SecretRef], what: str, *, secrets: bool
) -> Mapping[str, str | SecretRef]:
    """Return headers, frozen, their names in lower case.

    Args:
        value: Name to content.
        what: They are, for the message.
        secrets: Whether a content can be a reference; those that are known to carry credentials must be one.

    Raises:
        InvalidInput: If a name or a content cannot be sent, or a credential stands there in the open.
    """
    _check.mapping(value, what, "{'accept': 'application/json'}")
    found: dict[str, str | SecretRef] = {}
    for name, content in value.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise InvalidInput(
                f"{what} names a header {name!r} that cannot be sent: use letters, digits and '-'"
            )
        if isinstance(content, SecretRef) and secrets:
            found[name.lower()] = content
            continue
        if not isinstance(content, str) or not content.isascii() or not content.isprintable():
            raise InvalidInput(f"{what}[{name!r}] must be printable ASCII text: leave out line breaks")
        if secrets and name.lower() in _CREDENTIALS:
            raise InvalidInput(
                f"{what}[{name!r}] would stand in every plan and journal: give SecretRef.env('NAME') instead of text"
            )
        found[name.lower()] = content
    return _check.frozen_mapping(found)


def conditions(value: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Return what a JSON answer must hold: values by JSON Pointer (RFC 6901), frozen.

    Raises:
        InvalidInput: If a pointer is none, or a value is not a scalar.
    """
    _check.mapping(value, "json", "{'/status': 'ok'}")
    for pointer, wanted in value.items():
        if (
            not isinstance(pointer, str)
            or (pointer and pointer[0] != "/")
            or re.search(r"~(?![01])", pointer)
            or len(pointer) > _LONGEST_POINTER
        ):
            raise InvalidInput(
                f"json names {pointer!r}, which is no JSON Pointer (RFC 6901): write '/status'"
            )
        if wanted is not None and not isinstance(wanted, (bool, int, float, str)):
            raise InvalidInput(
                f"json[{pointer!r}] must be a text, a number, a truth value or None, not {wanted!r}"
            )
    return _check.frozen_mapping(value)


def url(value: object, what: str, example: str) -> str:
    """Return an address of HTTP without credentials, that can stand in a plan.

    Raises:
        InvalidInput: If it is none, or holds a password, which is not shown.
    """
    if not isinstance(value, str) or any(c in value for c in "\r\n \0"):
        raise InvalidInput(f"{what} must be a URL such as {example!r}, not {value!r}")
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        raise InvalidInput(f"{what} must be a URL such as {example!r}, not {value!r}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise InvalidInput(f"{what} must be a URL such as {example!r}, not {value!r}")
    if "@" in parts.netloc:
        raise InvalidInput(
            f"{what} of {host!r} holds credentials, which would stand in every plan: take them out"
        )
    return value


def trust(value: object) -> None:
    """Do nothing if ``verify`` is a truth value, or the path of a file with certificates.

    Raises:
        InvalidInput: If it is not.
    """
    if isinstance(value, bool):
        return
    _check.absolute(value, "verify (a file of certificates to trust)")


def secret(value: object, what: str) -> None:
    """Do nothing if a value is a reference to a secret, or ``None``.

    Raises:
        InvalidInput: If it is anything else; it is not shown, as it may be the secret.
    """
    if value is not None and not isinstance(value, SecretRef):
        raise InvalidInput(
            f"{what} must be a SecretRef, such as SecretRef.env('NAME'), not a {type(value).__name__}"
        )
