"""A list of the API server's, kept in step by a watch: looking at it costs no call."""

from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.errors import BackendError
from fairdeploy.routing.kubernetes._answers import Answered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from anyio.abc import TaskGroup

    from fairdeploy.routing.kubernetes.client import Client, Object

__all__ = ["Mirror"]

_TRUSTED: Final = 20.0
"""Seconds for which silence counts as no news: a server that is gone says nothing either. Then it is asked."""
_LASTS: Final = 300
"""Seconds after which the server is to end a watch, which is begun again if anybody still looks."""
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0


@final
class Mirror:
    """What a list holds now, by a list and the watch that follows it.

    A watch that ends is begun again where it was; after breaks with growing, jittered pauses. One whose place the server
    has forgotten (410) is given up, and the next look lists and begins anew. While no watch stands, every look lists. So
    what is returned was true at the server a moment ago, and never longer than 20 s.

    Our own writes are known at once: `note` takes the server's answer over, after `doubt` the next look lists.

    Args:
        client: The namespace.
        path: Of the collection.
        query: Which of it: a label or field selector.
        tasks: Where the watch is followed.
        only: The name of the one object that it is about; ``None``: it may be about any.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        query: Mapping[str, str],
        tasks: TaskGroup,
        *,
        only: str | None = None,
    ) -> None:
        self._client = client
        self._only = only
        self.path = path
        self._query = dict(query)
        self._tasks = tasks
        self._items: dict[str, Object] = {}
        self._listed = 0
        self._version = "0"
        self._heard = -_TRUSTED
        self._stands = False
        self._followed = False
        self._doubted = True
        self._looked = True
        self._turn = anyio.Lock()

    async def items(self) -> list[Object]:
        """Return what is there. It is not to be changed by whoever gets it.

        Raises:
            Answered: If the server refuses the list or the watch.
            BackendError: If it cannot be reached.
        """
        self._looked = True
        async with self._turn:
            if not self._in_step:
                await self._list()
                if not self._followed:
                    await self._follow()
        return list(self._items.values())

    @property
    def _in_step(self) -> bool:
        quiet = anyio.current_time() - self._heard
        return self._stands and not self._doubted and quiet < _TRUSTED

    def is_about(self, path: str, name: str) -> bool:
        """Whether an object of that name may be in it."""
        return self.path == path and self._only in {None, name}

    def note(self, name: str, found: Object) -> None:
        """Take over what the server has answered to a write of ours."""
        known = self._items.get(name)
        if known is None:
            self._doubted = True
        elif _version(found) > _version(known):
            self._items[name] = found

    def doubt(self) -> None:
        """List again at the next look: something was made or taken away by us."""
        self._doubted = True

    async def _list(self) -> None:
        self._doubted = False
        asked_at = self._version
        try:
            found = await self._client.get(self.path, **self._query)
        except BaseException:
            self._doubted = True
            raise
        self._heard = anyio.current_time()
        if self._version != asked_at and _version(found) < int(self._version):
            return  # a watch that began meanwhile has told more than this list knows
        self._items = {each["metadata"]["name"]: each for each in found["items"]}
        self._version = found["metadata"]["resourceVersion"]
        self._listed = int(self._version)

    async def _follow(self) -> None:
        """Begin a watch where the list was, and follow it."""
        self._followed = True
        started = anyio.Event()
        refused: list[Answered] = []

        async def follow() -> None:
            try:
                await self._watch(started)
            except Answered as answer:
                refused.append(answer)
            finally:
                self._stands = self._followed = False
                started.set()

        self._tasks.start_soon(follow)
        await started.wait()
        if refused and refused[0].status != 410:
            raise refused[0]

    async def _watch(self, started: anyio.Event) -> None:
        """Follow until nobody looks any more, or the server has forgotten the place.

        Raises:
            Answered: If it refuses.
        """
        pause = _FIRST_PAUSE
        self._looked = True
        while self._looked:
            self._looked = False
            try:
                async with self._streamed() as lines:
                    self._stands = True
                    started.set()
                    async for line in lines:
                        self._take(json.loads(line))
                        pause = _FIRST_PAUSE
            except (BackendError, OSError, TimeoutError, ValueError):
                # Broken off, or cut in the middle of a line: meanwhile every look lists, and says what is wrong.
                self._looked = True
            self._stands = False
            started.set()
            await anyio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 -- spreads load
            pause = min(2 * pause, _LONGEST_PAUSE)

    @asynccontextmanager
    async def _streamed(self) -> AsyncIterator[AsyncIterator[bytes]]:
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(_LASTS * random.uniform(0.8, 1.2))),  # noqa: S311 -- spreads load
        }
        async with self._client.stream(self.path, **query) as lines:
            yield lines

    def _take(self, event: Object) -> None:
        """Take over one event.

        Raises:
            Answered: If it says that the watch has come to its end.
        """
        found = event["object"]
        if event["type"] == "ERROR":
            raise Answered(found.get("code", 500), found.get("reason", ""), found.get("message", ""))
        self._version = found["metadata"]["resourceVersion"]
        self._heard = anyio.current_time()
        name, version = found["metadata"].get("name", ""), _version(found)
        known = self._items.get(name)
        # A list, or the answer to a write, may have told of it already, and of more.
        if event["type"] == "BOOKMARK" or version <= self._listed or (known and version <= _version(known)):
            return
        if event["type"] == "DELETED":
            self._items.pop(name, None)
        else:
            self._items[name] = found


def _version(found: Object) -> int:
    """Return how new an object is: a number in every API server there is, and since Kubernetes 1.35 by contract."""
    return int(found["metadata"]["resourceVersion"])
