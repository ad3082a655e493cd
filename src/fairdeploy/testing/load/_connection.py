"""One HTTP/1.1 connection, as an asyncio protocol: raw, because a generator must cost less than what it loads."""

from __future__ import annotations

import asyncio
import errno
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from fairdeploy.testing.load._parser import ResponseParser
from fairdeploy.testing.load.outcomes import Answer, Cause, Loss

if TYPE_CHECKING:
    from fairdeploy.testing.load._endpoint import Endpoint

__all__ = ["Connection", "NotStarted", "connect", "connect_failure"]

_LOCAL_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


@dataclass(frozen=True, slots=True)
class NotStarted:
    """A request that this machine could not even begin; it says nothing about the target."""

    reason: str


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        self.opened = time.monotonic()
        self.reusable = True
        """Whether another request may be written; False once either side has ended it or an answer was not clean."""
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._parser: ResponseParser | None = None
        self._waiter: asyncio.Future[Answer | Loss] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # What the client calls.

    def idle_and_open(self) -> bool:
        """Whether a request may be written now: the server has not closed the idle connection, as far as the kernel knows.

        Asks the kernel and not the event loop, which may be behind: bytes or an end that have arrived, and that nobody
        has read yet, count.
        """
        if not self.reusable:
            return False
        if self._poll is not None and self._poll.poll(0):
            self.close()
            return False
        return True

    async def exchange(self, request: bytes, *, within: float) -> Answer | Loss:
        """Write a request and wait for its answer, at most `within` seconds. Never raises except when cancelled."""
        transport = self._transport
        if transport is None or not self.reusable:
            return Loss(Cause.RESET_BEFORE_RESPONSE, "closed before the request was written")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer | Loss] = loop.create_future()
        self._waiter = waiter
        self._parser = ResponseParser()
        self._timer = loop.call_later(within, self._expire, within)
        transport.write(request)
        try:
            return await waiter
        finally:
            self._timer.cancel()
            self._waiter = self._parser = self._timer = None
            if transport.get_write_buffer_size():  # answered early, or never: what is unsent must not linger
                self.reusable = False
                transport.abort()
            elif not self.reusable or waiter.cancelled():
                self.close()

    def close(self) -> None:
        """Close the connection. Must not be called while a request is unanswered."""
        self.reusable = False
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)  # a stream protocol is given nothing else
        # Under TLS the kernel may hold session tickets, which are no sign of an end; there the event loop's word has to do.
        if transport.get_extra_info("ssl_object") is None:
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    @override
    def data_received(self, data: bytes) -> None:
        """Take bytes of the answer."""
        parser = self._parser
        if parser is None:  # bytes that nobody asked for: the connection cannot be trusted any more
            self.close()
            return
        try:
            answer = parser.feed(data)
        except ValueError as exc:
            self._settle(Loss(Cause.BAD_RESPONSE, str(exc)))
            return
        if answer is not None:
            self.reusable = self.reusable and answer.reusable
            self._settle(answer)

    @override
    def eof_received(self) -> bool:
        """See the server end the connection."""
        self._ended("closed")
        return False  # asyncio closes the transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """See the connection end."""
        self._ended("closed" if exc is None else f"{type(exc).__name__}: {exc}")
        self._transport = self._poll = None

    # How an exchange ends: exactly once.

    def _settle(self, result: Answer | Loss) -> None:
        self._parser = None
        if isinstance(result, Loss):
            self.reusable = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(result)

    def _ended(self, how: str) -> None:
        self.reusable = False
        parser = self._parser
        if parser is None:
            return
        answer = parser.end() if how == "closed" else None
        cause = Cause.TRUNCATED if parser.begun else Cause.RESET_BEFORE_RESPONSE
        self._settle(Loss(cause, how) if answer is None else answer)

    def _expire(self, within: float) -> None:
        begun = self._parser is not None and self._parser.begun
        self._settle(Loss(Cause.TIMEOUT, f"{'incomplete' if begun else 'no'} answer after {within:g} s"))


async def connect(endpoint: Endpoint, *, within: float) -> Connection | Loss | NotStarted:
    """Open a connection, within so many seconds; says what went wrong as a value."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within):
            _, connection = await loop.create_connection(
                Connection,
                endpoint.address,
                endpoint.port,
                ssl=endpoint.tls,
                server_hostname=endpoint.tls_name,
            )
    except TimeoutError:
        return Loss(Cause.TIMEOUT, f"no connection after {within:g} s")
    except OSError as exc:  # TLS errors included
        return connect_failure(exc)
    return connection


def connect_failure(exc: OSError) -> Loss | NotStarted:
    """Say what it means that a connection could not be opened."""
    if exc.errno in _LOCAL_SHORTAGE:
        return NotStarted(errno.errorcode[exc.errno or 0])
    cause = Cause.REFUSED if isinstance(exc, ConnectionRefusedError) else Cause.CONNECT_FAILED
    return Loss(cause, f"{type(exc).__name__}: {exc}")
