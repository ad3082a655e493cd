"""One exchange over HTTP. The only module of this room that imports httpx."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import final

import anyio
import httpx

from fairdeploy.health.finding import Finding, failed, unclear
from fairdeploy.system.trust import bare, trusting
from fairdeploy.system.web import web_client

__all__ = ["REFUSED", "UNCLEAR", "Answer", "Request", "exchange", "fault", "is_expired"]

LONGEST_BODY = 1_048_576
_MAX_PORT = 65_535
_EXPIRED = 10
"""X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""
REFUSED = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""What an instance that is not well makes httpx raise."""
UNCLEAR = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""What says nothing about the instance."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """What is asked; it may carry secrets, so it is never shown.

    Args:
        url: Whole.
        socket: Path of the unix socket that answers for it, or ``None``.
        headers: Beside our own.
        form: Sent by POST, or ``None`` for a GET.
        verify: See `model.HTTPCheck`.
        redirects: How many to follow, on the same scheme, host and port.
        read: Whether the body is read, at most 1 MiB of it.
    """

    url: str
    socket: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    verify: bool | str = True
    redirects: int = 0
    read: bool = True


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered.

    Args:
        status: Of the last answer.
        headers: Names in lower case.
        body: As far as it was read.
        expires: When the server's certificate ends, in seconds since 1970; ``None`` without one.
        elsewhere: Where a redirect led that was not followed, as it leaves the site or is one too many.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    expires: float | None = None
    elsewhere: str | None = None


async def exchange(request: Request) -> Answer:
    """Ask once: no proxy, no time limit of its own.

    Raises:
        httpx.HTTPError: See `fault`.
        httpx.InvalidURL: As above.
        OSError: If a file of certificates cannot be read.
    """
    url = httpx.URL(request.url)
    headers = {"accept-encoding": "identity", "user-agent": "fairdeploy", **request.headers}
    verify = _context(request.verify, url.scheme)
    async with web_client(verify=verify, headers=headers, uds=request.socket) as client:
        for _ in range(request.redirects):
            answer, onward = await _once(client, url, request)
            if onward is None:
                return answer
            if _site(onward) != _site(url):
                return _leading(answer, onward)
            url = onward
        answer, onward = await _once(client, url, request)
    return answer if onward is None or request.redirects == 0 else _leading(answer, onward)


def _leading(answer: Answer, onward: httpx.URL) -> Answer:
    """Return an answer that leads elsewhere, without the query, which may carry what a login page is told."""
    return replace(answer, elsewhere=str(onward.copy_with(query=None)))


async def _once(
    client: httpx.AsyncClient, url: httpx.URL, request: Request
) -> tuple[Answer, httpx.URL | None]:
    if not 0 < (url.port or 1) <= _MAX_PORT:
        raise httpx.InvalidURL(f"port {url.port} is above {_MAX_PORT}")
    method = "GET" if request.form is None else "POST"
    form = None if request.form is None else dict(request.form)
    async with client.stream(method, url, data=form, follow_redirects=False) as response:
        answer = Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=await _body(response) if request.read else b"",
            expires=_expires(response),
        )
        onward = response.next_request.url if response.next_request is not None else None
    return answer, onward


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    # Cancelled, not left: a `break` would leave the generators of httpx below this one open.
    with anyio.CancelScope() as enough:
        async for chunk in response.aiter_raw():
            body += chunk[: LONGEST_BODY - len(body)]
            if len(body) == LONGEST_BODY:
                enough.cancel()
    return bytes(body)


def _site(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"https": 443}.get(url.scheme, 80)


def _expires(response: httpx.Response) -> float | None:
    stream = response.extensions.get("network_stream")
    tls = None if stream is None else stream.get_extra_info("ssl_object")
    ends = (tls.getpeercert() or {}).get("notAfter") if tls is not None else None
    return None if ends is None else float(ssl.cert_time_to_seconds(ends))


def _context(verify: bool | str, scheme: str) -> ssl.SSLContext:  # noqa: FBT001 -- as httpx names it
    if scheme != "https":
        return bare()
    if isinstance(verify, str):
        return trusting(verify)
    return trusting() if verify else _careless()


@lru_cache(maxsize=1)
def _careless() -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=False, trust_env=False)


def fault(error: Exception, asked: str, what: str) -> Finding:
    """Return what an error of `exchange` says: about whoever was asked, or about the question alone."""
    if isinstance(error, REFUSED):
        own = _own(error)
        if own is None:
            return failed(asked, f"{what} did not answer: {str(error) or type(error).__name__}")
        return unclear(asked, f"{what} cannot be asked: {own}")
    return unclear(asked, f"{what} cannot be asked: {type(error).__name__}: {error}")


def is_expired(error: BaseException) -> bool:
    """Whether a connection was not made because the server's certificate has expired."""
    own = _own(error)
    return isinstance(own, ssl.SSLCertVerificationError) and own.verify_code == _EXPIRED


def _own(error: BaseException) -> BaseException | None:
    """Find what was wrong with the question: a name that does not resolve, a certificate not trusted."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (socket.gaierror, ssl.SSLError)):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
