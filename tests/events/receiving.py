"""A receiver of webhooks: a real HTTP server on the loopback address."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

__all__ = ["House", "receiving"]


@dataclass
class House:
    """What a receiver got, and what it answers."""

    port: int = 0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answer: Callable[[str, bytes], bytes] = lambda _path, _body: b""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks"

    def arrived(self) -> list[str]:
        """Return the bodies that were taken."""
        return [body.decode() for _, body in self.got]

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Answer that it is out of order."""
        self.status = 503
        try:
            yield
        finally:
            self.status = 200


@contextmanager
def receiving(address: str = "127.0.0.1", port: int = 0) -> Iterator[House]:
    """Run a receiver; at a free port if none is given."""
    house = House()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            said = b""
            if house.status == 200:
                house.asked.append(f"{self.command} {self.path}")
                said = house.answer(house.asked[-1], body)
                house.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(house.status)
            for name, value in house.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the base calls it
            """Say nothing."""

    with ThreadingHTTPServer((address, port), Handler) as server:
        server.daemon_threads = True
        house.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield house
        finally:
            server.shutdown()
            thread.join()
