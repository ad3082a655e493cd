"""Who may write: the newest epoch, kept in the cluster and proved by the API server with every write.

A target has one ConfigMap that holds the newest epoch seen. A holder with a newer one writes it there first and then
stamps every object of the target, each under its ``resourceVersion``. From then on whatever an older holder has read
is out of date, and the API server refuses its write. What is created is created without effect (no replicas,
suspended), and only given effect after another look at the ConfigMap: a holder that was overtaken in between finds
that out before anything has happened.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.errors import BackendError, Fenced, Refused
from fairdeploy.routing.kubernetes import names
from fairdeploy.routing.kubernetes.client import Answered, Client, Object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.model import Target
    from fairdeploy.protocols import Fence

__all__ = ["Book", "entered", "guarded", "refuse_older", "seen", "written"]

_TRIES: Final = 20


@final
@dataclass(frozen=True, slots=True)
class Book:
    """What is written of a target.

    Args:
        epoch: The newest seen; 0: none.
        data: All that is in it, ``stable`` among it.
        version: Its ``resourceVersion``, empty if it is not there.
    """

    epoch: int
    data: dict[str, str]
    version: str


def _path(client: Client, target: Target | None = None) -> str:
    name = None if target is None else names.base(target)
    return names.path_of(client.namespace, "configmaps", name)


async def seen(client: Client, target: Target, *, now: bool = False) -> Book:
    """Read the book of a target; of one never seen it is empty.

    Args:
        client: The cluster.
        target: Whose book.
        now: Whether the API server is to be asked, and not who listens to it.

    Raises:
        Refused: If another program has something of that name.
    """
    path = _path(client, target)
    found = await (client.find(path) if now else client.known(path))
    if found is None:
        return Book(0, {}, "")
    if found["metadata"].get("labels", {}).get(names.TARGET) != names.label(target):
        raise Refused(
            f"ConfigMap {names.base(target)!r} in namespace {client.namespace!r} is not of target {target.id!r}: "
            "rename it, or the target"
        )
    return _book(found)


def _book(found: Object) -> Book:
    data = found.get("data") or {}
    return Book(int(data.get("epoch", "0")), data, found["metadata"]["resourceVersion"])


def refuse_older(target: Target, fence: Fence, newest: int) -> None:
    """Raise `Fenced` if a newer epoch was seen."""
    if fence.epoch < newest:
        raise Fenced(
            f"epoch {fence.epoch} of {target.id!r} has passed: a holder with epoch {newest} has taken over"
        )


async def entered(
    client: Client,
    target: Target,
    fence: Fence,
    mark: str,
    paths: Callable[[], Awaitable[list[str]]],
    *,
    now: bool = False,
) -> Book:
    """Enter under an epoch: write it if it is newer, and shut every older one out.

    Args:
        client: The cluster.
        target: Whose book.
        fence: Under which.
        mark: Under which name it is noted that all is stamped.
        paths: Names the objects to be stamped.
        now: Whether the API server is to be asked: after something was created, which no ``resourceVersion`` proves.

    Raises:
        Fenced: If a newer epoch was seen.
    """
    book = await seen(client, target, now=now)
    refuse_older(target, fence, book.epoch)
    if book.epoch < fence.epoch:
        book = await written(client, target, fence, epoch=str(fence.epoch))
    if int(book.data.get(mark, "0")) < fence.epoch:
        for path in await paths():
            await guarded(client, target, fence, path, lambda _found: {})
        book = await written(client, target, fence, **{mark: str(fence.epoch)})
    return book


async def written(client: Client, target: Target, fence: Fence, **changes: str | None) -> Book:
    """Write something into the book, under the epoch; ``None`` takes it out.

    Raises:
        Fenced: If a newer epoch was seen.
    """
    for attempt in range(_TRIES):
        book = await seen(client, target, now=attempt > 0)
        refuse_older(target, fence, book.epoch)
        data: dict[str, str | None] = {"epoch": str(fence.epoch), **changes}
        try:
            if not book.version:
                found = await client.create(_path(client), _new(target, data))
            elif all(book.data.get(key) == value for key, value in data.items()):
                if attempt:
                    return book
                continue  # nothing would prove what was read
            else:
                body: Object = {"metadata": {"resourceVersion": book.version}, "data": data}
                found = await client.merge(_path(client, target), body)
        except Answered as answer:
            if answer.status != 409:
                raise
            await _step_aside(attempt)
            continue
        return _book(found)
    raise BackendError(f"the ConfigMap of {target.id!r} is being written by many at once: try again")


async def _step_aside(attempt: int) -> None:
    """Let others write first: many who try again at once would be in each other's way for ever."""
    await anyio.sleep(random.uniform(0, 0.02 * min(attempt + 1, 10)))  # noqa: S311 -- spreads load


def _new(target: Target, data: dict[str, str | None]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.base(target),
            "labels": {names.TARGET: names.label(target), "app.kubernetes.io/managed-by": "fairdeploy"},
        },
        "data": {key: value for key, value in data.items() if value is not None},
    }


async def guarded(
    client: Client,
    target: Target,
    fence: Fence,
    path: str,
    change: Callable[[Object], Object | None],
    *,
    write: Callable[[str, Object], Awaitable[Object]] | None = None,
) -> Object | None:
    """Change an object under the epoch: refused by the API server if anybody was there in between, and then tried again.

    Args:
        client: The cluster.
        target: Whose object.
        fence: Under which.
        path: Of the object.
        change: From the object to what is written; ``None``: nothing is to be done.
        write: How: ``None``: as a merge patch.

    Returns:
        The object as it is then, or ``None`` if it is not there.

    Raises:
        Refused: If somebody else owns it.
        Fenced: If a newer epoch has written to it.
    """
    for attempt in range(_TRIES):
        # What may be a moment old is good enough for a write, which its version proves, and for nothing else.
        found = await (client.find(path) if attempt else client.recalled(path))
        body = found and _body(target, fence, path, found, change=change)
        if found is None or body is None:
            if attempt:
                return found
            continue
        try:
            return await (write or client.merge)(path, body)
        except Answered as answer:
            if answer.status == 404:
                return None
            if answer.status != 409:
                raise
            await _step_aside(attempt)
    raise BackendError(f"{path!r} is being written by many at once: try again")


def _body(
    target: Target, fence: Fence, path: str, found: Object, *, change: Callable[[Object], Object | None]
) -> Object | None:
    """Return what is to be written to an object, with its version and our marks; ``None``: nothing."""
    notes, labels = found["metadata"].get("annotations", {}), found["metadata"].get("labels", {})
    if labels.get(names.TARGET) != names.label(target):
        raise Refused(f"{path!r} is not of target {target.id!r}: rename it, or the target")
    refuse_older(target, fence, int(notes.get(names.EPOCH, "0")))
    patch, mine = change(found), {names.EPOCH: str(fence.epoch), names.KEY: fence.key}
    if patch is None or (not patch and mine.items() <= notes.items()):
        return None
    extra = patch.get("metadata", {})
    meta = {
        **extra,
        "resourceVersion": found["metadata"]["resourceVersion"],
        "annotations": {**extra.get("annotations", {}), **mine},
    }
    return {**patch, "metadata": meta}
