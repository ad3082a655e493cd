"""What is sent to an API server, and never broken off halfway: nobody is left to say goodbye when a loop ends."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import anyio

from fairdeploy.routing.kubernetes._answers import answered

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["AGAIN", "Wire", "words"]

AGAIN: Final = frozenset({429, 500, 502, 503, 504})
"""What a server says that has no time."""
_SECONDS: Final = 30.0
_SILENCE: Final = 90.0
"""Seconds without a word after which a watch is given up: a server sends a bookmark about every minute."""
_CLOSING: Final = 5.0
T = TypeVar("T")


@final
class Wire:
    """The library's client, and what is under way by it.

    aiohttp ends a request that is cancelled by a goodbye of TLS that nobody waits for: where the loop ends at once, its
    socket is left open. So an exchange has a task of its own, which ends by itself, with a deadline of 30 s, though
    nobody waits for it any more; and `close` breaks off, at once and without goodbyes, what is under way then.

    Args:
        api: The library's client.
        tasks: Where exchanges are carried out.
    """

    def __init__(self, api: Any, tasks: TaskGroup) -> None:  # noqa: ANN401 -- imported lazily, untyped here
        self._api = api
        self._tasks = tasks
        self._under_way: set[anyio.CancelScope] = set()
        self._closed = False

    async def exchange(
        self, method: str, path: str, body: object, query: Mapping[str, str], content: str
    ) -> tuple[int, str, float]:
        """Send a request; return the status, the text, and the seconds to wait that the server asks for.

        Raises:
            OSError: If the connection breaks, or there is no answer for too long.
        """

        async def exchange() -> tuple[int, str, float]:
            response = await self._sent(method, path, body, query, content=content, within=_SECONDS)
            async with response:
                return response.status, await response.text(), _seconds(response.headers)

        return await self._apart(exchange, lambda _said: None)

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a watch, and give its lines as they come.

        Raises:
            Answered: If the server refuses.
            OSError: If the connection breaks, then or later.
            TimeoutError: If nothing is heard for too long.
        """
        aiohttp = importlib.import_module("aiohttp")
        silence = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=_SILENCE)

        async def opened() -> Any:  # noqa: ANN401 -- as above
            return await self._sent("GET", path, None, query, content="application/json", within=silence)

        try:
            async with await self._apart(opened, _break_off) as response:
                if response.status in AGAIN:
                    raise OSError(0, f"the API server says {response.status}")
                if response.status >= 300:
                    raise answered(response.status, await response.text())
                try:
                    yield response.content
                finally:  # a watch never ends by itself
                    _break_off(response)
        except aiohttp.ClientError as error:
            failed = words(error)
        except RuntimeError as error:
            if not self._closed:
                raise
            failed = words(error)  # aiohttp's, of whoever reads on what `close` has broken off
        else:
            return
        raise OSError(0, failed)  # as in `_apart`

    async def _sent(
        self, method: str, path: str, body: object, query: Mapping[str, str], *, content: str, within: object
    ) -> Any:  # noqa: ANN401 -- as above
        return await self._api.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=within,
        )

    async def _apart(self, act: Callable[[], Awaitable[T]], drop: Callable[[T], None]) -> T:
        """Do something that goes on to its end though whoever waits for it is cancelled; then ``drop`` what came of it.

        Raises:
            OSError: If the connection breaks, there is no answer for too long, or this is being closed.
        """
        errors = importlib.import_module("aiohttp")
        done, results, failures = anyio.Event(), list[T](), list[Exception]()
        waited_for = True

        async def run() -> None:
            with anyio.CancelScope(shield=True) as scope:
                self._under_way.add(scope)
                try:
                    result = await act()
                    if waited_for:
                        results.append(result)
                    else:
                        drop(result)
                except (errors.ClientError, OSError) as error:  # and TimeoutError
                    # Not from the library's error: the frames that it passed hold the token.
                    failures.append(OSError(0, words(error)))
                except Exception as error:  # noqa: BLE001 -- raised where it is waited for
                    failures.append(error)
                finally:
                    self._under_way.discard(scope)
                    done.set()

        self._tasks.start_soon(run)
        try:
            await done.wait()
        except BaseException:
            waited_for = False
            for each in results:
                drop(each)
            raise
        if results:
            return results[0]
        raise failures[0] if failures else OSError(0, "it is being closed")

    async def close(self) -> None:
        """Break off what is under way, and close all connections."""
        self._closed = True
        for scope in tuple(self._under_way):
            scope.cancel()
        # Without a pause in between: the connections are gone before anybody that was cancelled could say goodbye.
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING):
            await self._api.close()


def _break_off(response: Any) -> None:  # noqa: ANN401 -- as above
    """End a response that has not come to its end, without a goodbye."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def words(error: BaseException) -> str:
    """Return what an error says, or at least its name."""
    return str(error) or type(error).__name__


def _seconds(headers: Mapping[str, str]) -> float:
    try:
        return min(float(headers.get("Retry-After", "0")), 30.0)
    except ValueError:
        return 0.0
