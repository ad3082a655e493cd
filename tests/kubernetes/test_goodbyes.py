"""Who leaves in the middle of a request leaves no socket behind, though the event loop ends at once."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import threading
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme

from fairdeploy.routing.kubernetes import names
from fairdeploy.routing.kubernetes.client import Client, connected
from tests.kubernetes.test_storms import kubeconfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]
PODS = names.path_of("here", "pods")
LIST = json.dumps({"metadata": {"resourceVersion": "10"}, "items": []}).encode()
LISTED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(LIST),
    LIST,
)
WATCHED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


class Impolite:
    """Answers by TLS as a request's path asks, and never says goodbye."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.asked = threading.Semaphore(0)
        self._context = context
        self._door = socket.create_server(("127.0.0.1", 0))
        self._guests: list[socket.socket] = []
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                guest = self._context.wrap_socket(self._door.accept()[0], server_side=True)
                self._guests.append(guest)
                threading.Thread(target=self._answer, args=(guest,), daemon=True).start()

    def _answer(self, guest: socket.socket) -> None:
        with suppress(OSError):
            while request := guest.recv(65_536):
                if b"watch=true" in request:
                    guest.sendall(WATCHED)
                elif b"hangs" not in request:
                    guest.sendall(LISTED)
                self.asked.release()

    def close(self) -> None:
        """Go."""
        for each in (self._door, *self._guests):
            each.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Impolite]:
    """Give a server, and a kubeconfig that names it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    served = Impolite(context)
    config = json.loads(kubeconfig(served.port))
    config["clusters"][0]["cluster"] = {
        "server": f"https://127.0.0.1:{served.port}",
        "certificate-authority": str(tmp_path / "ca.crt"),
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    yield served
    served.close()


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if a socket is found that nobody has closed."""
    gc.collect()  # what others left is theirs
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(each.message) for each in found if each.category is ResourceWarning] == []


@pytest.mark.parametrize("who", ["the asker", "everybody"])
@pytest.mark.parametrize("where", ["a request", "a watch"])
def test_who_is_cancelled_leaves_no_socket(who: str, where: str, server: Impolite, tmp_path: Path) -> None:
    """A request without an answer yet, or a watch; cancelled alone, or together with all else."""

    async def ask(client: Client) -> None:
        if where == "a request":
            await client.get(f"{PODS}/hangs")
        for _ in range(2):
            await client.listed(PODS, "app=shop")
        await anyio.sleep_forever()

    async def program() -> None:
        with anyio.CancelScope() as all_of_it:
            config = str(tmp_path / "kubeconfig")
            async with connected("here", kubeconfig=config) as client, anyio.create_task_group() as tasks:
                tasks.start_soon(ask, client)
                for _ in range(1 if where == "a request" else 3):
                    await anyio.to_thread.run_sync(server.asked.acquire)
                (all_of_it if who == "everybody" else tasks.cancel_scope).cancel()

    with nothing_left():
        anyio.run(program)
