"""What lies between the client and an emulator: it counts calls, breaks them as AWS and networks do, and can answer itself.

Everything that it does not touch goes to the emulator as it came. Elastic Load Balancing may go to another one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final
from urllib.parse import parse_qs

from aiohttp import ClientSession, web

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Fault", "Wire", "wire"]

Fault: TypeAlias = Literal["throttled", "lost", "stale"]
"""Refused as too many; done, but answered by a 500; answered as it was the time before."""
Said: TypeAlias = dict[str, Any]  # any JSON
Answering: TypeAlias = Callable[[Said], Said]
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/")
_ELB = "elasticloadbalancing"


@final
@dataclass(slots=True, kw_only=True)
class Wire:
    """What a test says of it, and sees of it.

    Args:
        url: Where the client is to go.
        calls: How many of each operation came, such as ``"ecs:UpdateService"``.
        said: What JSON services were asked, in order.
        faults: What is still to go wrong, by operation, one after the other.
        answers: Who answers an operation instead of the emulator.
        before: What is done before an operation goes on.
    """

    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    said: list[tuple[str, Said]] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    answers: dict[str, Answering] = field(default_factory=dict)
    before: dict[str, Callable[[Said], Awaitable[None]]] = field(default_factory=dict)
    _seen: dict[tuple[str, bytes], tuple[int, bytes, str]] = field(default_factory=dict)

    async def answer(
        self, session: ClientSession, upstream: dict[str, str], request: web.BaseRequest
    ) -> web.Response:
        """Answer one call."""
        body = await request.read()
        service, operation, said = _read(request, body)
        name = f"{service}:{operation}"
        self.calls[name] += 1
        self.said.append((name, said))
        fault = self.faults[name].pop(0) if self.faults.get(name) else None
        if fault == "throttled":
            return _refusal(service, 400, "ThrottlingException" if service == "ecs" else "Throttling")
        if fault == "stale" and (name, body) in self._seen:
            return _response(*self._seen[name, body])
        if name in self.before:
            await self.before[name](said)
        if name in self.answers:
            return web.json_response(self.answers[name](said), content_type="application/x-amz-json-1.1")
        kept = {
            key: value
            for key, value in request.headers.items()
            if key.lower() not in {"host", "content-length", "accept-encoding"}
        }
        url = upstream.get(service, upstream[""]) + request.path_qs
        async with session.request(request.method, url, data=body, headers=kept) as answered:
            found = answered.status, await answered.read(), answered.headers.get("Content-Type", "")
        if fault == "lost":
            return _refusal(service, 500, "InternalFailure")
        self._seen[name, body] = found
        return _response(*found)


def _read(request: web.BaseRequest, body: bytes) -> tuple[str, str, Said]:
    signed = _SERVICE.search(request.headers.get("Authorization", ""))
    service = signed[1] if signed else ""
    if target := request.headers.get("X-Amz-Target"):
        return service, target.rpartition(".")[2], json.loads(body or b"{}")
    given = {key: values[0] for key, values in parse_qs(body.decode(errors="replace")).items()}
    return service, given.get("Action", ""), given


def _response(status: int, body: bytes, content: str) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": content})


def _refusal(service: str, status: int, code: str) -> web.Response:
    if service == _ELB:
        error = (
            f"<ErrorResponse><Error><Code>{code}</Code><Message>by the test</Message></Error></ErrorResponse>"
        )
        return web.Response(status=status, text=error, content_type="text/xml")
    return web.json_response(
        {"__type": code, "message": "by the test"}, status=status, content_type="application/x-amz-json-1.1"
    )


@asynccontextmanager
async def wire(url: str, *, balancers: str | None = None) -> AsyncIterator[Wire]:
    """Lay it in front of an emulator; calls about load balancers, and their network, may go to another."""
    made = Wire()
    upstream = {"": url} | (dict.fromkeys((_ELB, "ec2"), balancers) if balancers else {})
    async with ClientSession(auto_decompress=False) as session:

        async def answer(request: web.BaseRequest) -> web.Response:
            return await made.answer(session, upstream, request)

        runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=1)
        async with serving(runner) as port:
            made.url = f"http://127.0.0.1:{port}"
            yield made
