"""Ask a path over HTTP, and judge the answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import anyio

from fairdeploy.health._http import UNCLEAR, Answer, Request, exchange, fault, is_expired
from fairdeploy.health.finding import Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.health.secrets import Secrets
    from fairdeploy.model import HTTPCheck
    from fairdeploy.model.canonical import JSON

__all__ = ["ask_http"]

_DAY = 86_400.0
_SHOWN = 80


async def ask_http(check: HTTPCheck, secrets: Secrets, asked: str, address: str | None, path: str) -> Finding:
    """Ask one path, or one URL, once.

    Args:
        check: What a good answer is.
        secrets: Of the check.
        asked: Who is asked, for the message.
        address: Of the instance; ``None`` if ``path`` is a whole URL.
        path: What to ask for.
    """
    what = path if address is None else f"{asked} at {path}"
    try:
        with anyio.fail_after(check.timeout_ms / 1000):
            answer = await exchange(_request(check, secrets, address, path))
    except TimeoutError:
        return failed(asked, f"{what} did not answer within {check.timeout_ms} ms")
    except UNCLEAR as error:
        if check.certificate_days is not None and is_expired(error):
            return failed(asked, f"{what} has a certificate that has expired")
        return fault(error, asked, what)
    for complaint in _complaints(check, answer):
        return failed(asked, f"{what} {complaint}")
    return passed(asked, f"{what} answered {answer.status}")


def _request(check: HTTPCheck, secrets: Secrets, address: str | None, path: str) -> Request:
    socket = address.removeprefix("unix:") if address is not None and address.startswith("unix:") else None
    base = "" if address is None else "http://localhost" if socket is not None else f"http://{address}"
    headers = {
        name: value if isinstance(value, str) else secrets[value] for name, value in check.send.items()
    }
    if check.bearer is not None:
        headers["authorization"] = f"Bearer {secrets[check.bearer]}"
    return Request(
        url=base + path,
        socket=socket,
        headers=headers,
        verify=check.verify,
        redirects=check.redirects,
        read=check.contains is not None or check.lacks is not None or bool(check.json),
    )


def _complaints(check: HTTPCheck, answer: Answer) -> Iterator[str]:
    """Yield what is wrong with an answer, worst first."""
    low, high = check.status
    said = f"answered {answer.status}"
    if answer.elsewhere is not None:
        yield f"leads to {answer.elsewhere!r}, which is another site or one redirect too many"
    if not low <= answer.status <= high:
        yield f"{said}, expected {low} to {high}"
    for name, wanted in check.headers.items():
        if wanted.lower() not in answer.headers.get(name, "").lower() or name not in answer.headers:
            yield f"{said}, but not with the header {name!r}: {wanted!r}"
    if check.contains is not None and check.contains.encode() not in answer.body:
        yield f"{said}, but not with {check.contains!r}"
    if check.lacks is not None and check.lacks.encode() in answer.body:
        yield f"{said}, but with {check.lacks!r}"
    if check.json:
        yield from (f"{said}, but {wrong}" for wrong in _mismatches(check, answer.body))
    if check.certificate_days is not None:
        left = ((answer.expires or 0.0) - time.time()) / _DAY
        if left < check.certificate_days:
            yield f"has a certificate for {left:.1f} more days, expected at least {check.certificate_days}"


def _mismatches(check: HTTPCheck, body: bytes) -> Iterator[str]:
    try:
        document: JSON = json.loads(body)
    except (ValueError, RecursionError):
        yield "not with JSON"
        return
    for pointer, wanted in check.json.items():
        try:
            found = _at(document, pointer)
        except (KeyError, IndexError, ValueError, TypeError):
            yield f"its JSON has no {pointer!r}"
            continue
        if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
            shown = repr(found)
            yield f"its JSON has {shown[:_SHOWN]}{'...' * (len(shown) > _SHOWN)} at {pointer!r}, expected {wanted!r}"


def _at(document: JSON, pointer: str) -> JSON:
    """Return what a JSON Pointer points to (RFC 6901)."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document[key]
        elif isinstance(document, list) and key.isascii() and key.isdigit():
            document = document[int(key)]
        else:
            raise KeyError(key)
    return document
