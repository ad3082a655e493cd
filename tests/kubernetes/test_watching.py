"""What is looked at again is told of by a watch: it costs no calls, and survives what happens to watches."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, final

import anyio
import anyio.to_thread
import pytest
from aiohttp import web

from fairdeploy.routing.kubernetes import names
from fairdeploy.routing.kubernetes.client import Answered, connected
from tests.cluster import Reached, namespace
from tests.kubernetes.test_storms import kubeconfig
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from fairdeploy.routing.kubernetes.client import Client

pytestmark = [pytest.mark.anyio, pytest.mark.kubernetes, pytest.mark.timeout(300)]
PODS = names.path_of("here", "pods")


def pod(name: str, version: int) -> dict[str, Any]:
    """Return a pod, as far as it matters here."""
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": {"app": "shop"}}}


@final
class Server:
    """Lists what it is told to, and plays one script for each watch; says what it was asked for."""

    def __init__(self) -> None:
        self.listed, self.version = [pod("one", 5)], 10
        self.scripts: list[list[tuple[str, dict[str, Any]]] | int] = []
        self.asked: list[str] = []
        self.cut = anyio.Event()
        self.late = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a list or a watch."""
        if "watch" not in request.query:
            self.asked.append("list")
            answer = {"metadata": {"resourceVersion": str(self.version)}, "items": self.listed}
            if self.late:
                await until(self._told)
                await anyio.sleep(0.2)  # so that whoever watches has heard it
            return web.json_response(answer)
        self.asked.append(f"watch from {request.query['resourceVersion']}")
        script = self.scripts.pop(0) if self.scripts else []
        if isinstance(script, int):
            return web.json_response({"code": script, "reason": "", "message": "no"}, status=script)
        stream = web.StreamResponse()
        await stream.prepare(request)
        for kind, found in script:
            if kind == "BREAK" and request.transport is not None:
                await stream.write(b'{"type": "ADD')
                request.transport.abort()
                return stream
            await stream.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
        await (self.cut.wait() if self.scripts else anyio.sleep_forever())
        return stream  # it ends here, which a server may do at any time

    async def _told(self) -> bool:
        return not self.scripts

    @property
    def watches(self) -> list[str]:
        """From where watches were begun."""
        return [each for each in self.asked if each != "list"]

    @asynccontextmanager
    async def asked_by(self, folder: Path) -> AsyncIterator[Client]:
        """Serve, and give who asks."""
        runner = web.ServerRunner(web.Server(self.answer), shutdown_timeout=0.1)  # type: ignore[arg-type]  # a whole request
        async with serving(runner) as port:
            path = folder / "kubeconfig"
            path.write_text(kubeconfig(port))
            async with connected("here", kubeconfig=str(path)) as client:
                yield client


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again until something holds, for a minute at most: whoever asserts it afterwards says what is missing."""
    with anyio.move_on_after(60):
        while not await holds():  # noqa: ASYNC110 -- a server's state has no event
            await anyio.sleep(0.02)


async def seen(client: Client, *wanted: str) -> list[str]:
    """Look until exactly these are there, and return them."""
    found: list[str] = []

    async def there() -> bool:
        nonlocal found
        found = sorted(each["metadata"]["name"] for each in await client.listed(PODS, "app=shop"))
        return found == sorted(wanted)

    await until(there)
    return found


async def test_a_watch_that_ends_is_begun_where_it_was(tmp_path: Path) -> None:
    """By its last bookmark; what the list has told of already is not taken back by an event from before."""
    server = Server()
    old, new = pod("one", 4), pod("two", 12)
    server.scripts = [
        [("DELETED", old), ("ADDED", new), ("BOOKMARK", {"metadata": {"resourceVersion": "20"}})],
        [("DELETED", pod("two", 21)), ("ADDED", pod("three", 22))],
    ]
    async with server.asked_by(tmp_path) as client:
        for _ in range(2):  # it is begun again only for who has looked since it began
            assert await seen(client, "one", "two") == ["one", "two"]
        server.cut.set()
        while "watch from 20" not in server.asked:  # noqa: ASYNC110 -- a server's state has no event
            await anyio.sleep(0.02)
        assert await seen(client, "one", "three") == ["one", "three"]
    assert server.watches == ["watch from 10", "watch from 20"]


@pytest.mark.parametrize("how", [410, "event"])
async def test_a_place_that_is_forgotten_is_listed_anew(how: int | str, tmp_path: Path) -> None:
    """410, as the answer or in the middle: the watch begins where the new list was."""
    server = Server()
    gone = ("ERROR", {"code": 410, "reason": "Expired", "message": "too old resource version"})
    server.scripts = [410 if how == 410 else [gone], []]
    async with server.asked_by(tmp_path) as client:
        assert await seen(client, "one") == ["one"]
        server.listed, server.version = [pod("two", 30)], 31
        assert await seen(client, "two") == ["two"]
        await seen(client, "two")
    assert server.asked[-1] == "watch from 31"


async def test_a_watch_that_is_broken_off_is_begun_where_it_was(tmp_path: Path) -> None:
    """With a reset in the middle of a line: it goes on from what was told last, by the watch or by a list meanwhile."""
    server = Server()
    server.scripts = [[("ADDED", pod("two", 12)), ("BREAK", {})], [("ADDED", pod("three", 14))]]
    async with server.asked_by(tmp_path) as client:
        await client.listed(PODS, "app=shop")
        await client.listed(PODS, "app=shop")
        server.listed, server.version = [pod("one", 5), pod("two", 12)], 13
        assert await seen(client, "one", "two", "three") == ["one", "three", "two"]
    assert server.watches[0] == "watch from 10"
    assert server.watches[1] in {"watch from 12", "watch from 13"}


async def test_a_list_that_comes_late_does_not_take_back_what_a_watch_has_told(tmp_path: Path) -> None:
    """It is asked for while no watch stands, and answered when the next one has told of more than it knows."""
    server = Server()
    server.scripts = [[("BREAK", {})], [("ADDED", pod("three", 14)), ("ADDED", pod("four", 15))]]
    async with server.asked_by(tmp_path) as client:
        for _ in range(2):  # it is begun for who has looked twice
            await client.listed(PODS, "app=shop")
        server.late, server.version = True, 13
        assert await seen(client, "one", "three", "four") == ["four", "one", "three"]


async def test_a_watch_that_has_fallen_silent_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is gone says nothing either: after a while each look lists, and a watch that hears nothing is given up."""
    monkeypatch.setattr("fairdeploy.routing.kubernetes.mirror._TRUSTED", 0.3)
    monkeypatch.setattr("fairdeploy.routing.kubernetes._wire._SILENCE", 0.6)
    server = Server()
    async with server.asked_by(tmp_path) as client:
        for _ in range(2):
            assert await seen(client, "one") == ["one"]
        server.listed, server.version = [pod("two", 30)], 31
        assert await seen(client, "two") == ["two"]

        async def begun_again() -> bool:
            await client.listed(PODS, "app=shop")
            return "watch from 31" in server.watches

        await until(begun_again)
    # From the first place it may have been begun twice: if so much time passed before the second list.
    assert server.watches[0] == "watch from 10"
    assert list(dict.fromkeys(server.watches)) == ["watch from 10", "watch from 31"]


async def test_a_watch_that_is_throttled_is_tried_again_and_one_that_is_forbidden_is_said(
    tmp_path: Path,
) -> None:
    """Meanwhile each look lists."""
    server = Server()
    server.scripts = [503, 429, []]
    async with server.asked_by(tmp_path) as client:
        assert await seen(client, "one") == ["one"]

        async def tried_again() -> bool:
            await client.listed(PODS, "app=shop")
            return not server.scripts

        await until(tried_again)
    assert server.asked.count("watch from 10") == 3
    server.scripts = [403]
    async with server.asked_by(tmp_path) as client:
        await client.listed(PODS, "app=shop")
        with pytest.raises(Answered, match="no"):
            await client.listed(PODS, "app=shop")


async def test_what_others_and_we_write_is_seen_without_a_call(api_server: Reached) -> None:
    """At a real API server: others' writes a moment later, our own at once."""
    with namespace(api_server) as own:
        path = names.path_of(own, "configmaps", "book")
        async with connected(own, kubeconfig=str(api_server.kubeconfig)) as client:
            await client.create(names.path_of(own, "configmaps"), {"metadata": {"name": "book"}})
            for _ in range(2):
                assert (await client.known(path) or {}).get("data") is None
                assert await client.known(f"{path}-beside") is None
            before = client.calls.total()
            await client.merge(path, {"data": {"ours": "1"}})
            assert await client.known(f"{path}-beside") is None
            assert (await client.known(path) or {})["data"] == {"ours": "1"}
            named = ("-n", own, "patch", "configmap", "book", "-p", '{"data": {"theirs": "2"}}')
            await anyio.to_thread.run_sync(lambda: api_server.kubectl(*named))

            async def told() -> bool:
                return "theirs" in (await client.known(path) or {})["data"]

            await until(told)
            assert (await client.known(path) or {})["data"] == {"ours": "1", "theirs": "2"}
            assert client.calls.total() == before + 1
            await client.delete(path)
            assert await client.known(path) is None
