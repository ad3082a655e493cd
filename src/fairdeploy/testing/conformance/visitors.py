"""Who uses the router that is tried: instances behind it, and requests through it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol, final

import anyio
import anyio.abc
import httpx

from fairdeploy.model import HTTPProbe, Member, Probe, RevisionId, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LoopbackVisitors", "Visitors", "loopback"]

_SLOW = "/lingering"
_DEADLINE = 60.0


class Visitors(Protocol):
    """Instances behind a router, and whoever sends requests through it."""

    @property
    def probe(self) -> Probe | None:
        """The readiness probe that the instances pass; ``None``: none is needed."""
        ...

    async def instance(self, revision: RevisionId) -> Member:
        """Start an instance that answers every request, and return it once it does."""
        ...

    async def nobody(self, revision: RevisionId) -> Member:
        """Return a member at whose address nobody answers."""
        ...

    async def request(self, target: Target, headers: Mapping[str, str] | None = None) -> RevisionId | None:
        """Send one request; return which revision answered, or ``None`` if the router did itself."""
        ...

    def lingering(self, target: Target) -> AbstractAsyncContextManager[None]:
        """Keep one request under way while the body runs, and let it finish then."""
        ...


@final
class LoopbackVisitors:
    """Small real applications on the loopback address, and a real HTTP client. See `loopback`."""

    def __init__(
        self, tasks: anyio.abc.TaskGroup, listening: AsyncExitStack, client: httpx.AsyncClient
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._listening = listening
        self._started = 0
        self._arrived = 0
        self._finish = anyio.Event()

    @property
    def probe(self) -> Probe | None:
        """See `Visitors.probe`."""
        return HTTPProbe("/", interval_ms=50)

    async def instance(self, revision: RevisionId) -> Member:
        """See `Visitors.instance`."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        await self._listening.enter_async_context(listener)

        async def serve(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                try:
                    await self._answer(stream, revision)
                except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                    return  # whoever asked has gone

        async def listen() -> None:
            try:
                await listener.serve(serve)
            except* anyio.ClosedResourceError:
                pass  # the visit is over

        self._tasks.start_soon(listen)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database
        return self._member(revision, port)

    async def nobody(self, revision: RevisionId) -> Member:
        """See `Visitors.nobody`."""
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database
        return self._member(revision, port)

    async def request(self, target: Target, headers: Mapping[str, str] | None = None) -> RevisionId | None:
        """See `Visitors.request`."""
        answer = await self._client.get(f"http://{target.endpoint}/", headers=dict(headers or {}))
        revision: str | None = answer.headers.get("x-revision")
        return revision

    @asynccontextmanager
    async def lingering(self, target: Target) -> AsyncGenerator[None]:
        """See `Visitors.lingering`."""
        self._finish = anyio.Event()
        before = self._arrived

        async def ask() -> None:
            await self._client.get(f"http://{target.endpoint}{_SLOW}")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            try:
                with anyio.fail_after(_DEADLINE):
                    while self._arrived == before:  # noqa: ASYNC110 -- it comes through another process
                        await anyio.sleep(0.01)
                yield
            finally:
                self._finish.set()

    def _member(self, revision: RevisionId, port: int) -> Member:
        self._started += 1
        return Member(f"{revision}.{self._started}", f"127.0.0.1:{port}")

    async def _answer(self, stream: anyio.abc.SocketStream, revision: RevisionId) -> None:
        """Answer one request after another, as HTTP/1.1 without bodies."""
        seen = b""
        while True:
            while b"\r\n\r\n" not in seen:
                seen += await stream.receive()
            head, _, seen = seen.partition(b"\r\n\r\n")
            if head.split(b" ", 2)[1] == _SLOW.encode():
                self._arrived += 1
                await self._finish.wait()
            await stream.send(
                b"HTTP/1.1 200 OK\r\nx-revision: %s\r\ncontent-length: 0\r\n\r\n" % revision.encode()
            )


@asynccontextmanager
async def loopback() -> AsyncGenerator[LoopbackVisitors]:
    """Run `LoopbackVisitors` for the time of a test."""
    client = httpx.AsyncClient(timeout=_DEADLINE, trust_env=False)
    async with client, AsyncExitStack() as listening, anyio.create_task_group() as tasks:
        try:
            yield LoopbackVisitors(tasks, listening, client)
        finally:
            with anyio.CancelScope(shield=True):
                # First: who is cancelled just as a visitor arrives lets asyncio fail (an accept without anybody to give it to).
                await listening.aclose()
            tasks.cancel_scope.cancel()
