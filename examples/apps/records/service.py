"""The application: reads samples, keeps notes that were confirmed. Run by path: ``service.py --uds PATH | --port NUMBER``.

It treats its database as an application should whose schema and data may go back: a connection that was ended is made
anew, a note has a name of its own so that it can be sent again, and while the database is read only, readers do not
notice and writers are told to come back.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

T = TypeVar("T")

_TRIES = 100
_PAUSE = 0.02
_AGAIN = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""A session that was ended, or a database that nobody may connect to for a moment."""


class Service:
    """Answers requests."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the command line."""
        self.revision: str = options.revision
        self.broken: bool = options.broken
        self.columns = "id, name, site" if options.site else "id, name"
        self.pool: asyncpg.Pool[asyncpg.Record] | None = None

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Keep connections while the application serves; libpq's variables say as whom."""
        settings = {"application_name": os.environ.get("PGAPPNAME", "records")}
        async with asyncpg.create_pool(
            os.environ["DATABASE_URL"], min_size=1, max_size=4, server_settings=settings
        ) as self.pool:
            yield

    async def asked(self, ask: Callable[[asyncpg.Pool[asyncpg.Record]], Awaitable[T]]) -> T:
        """Ask the database, again where it was only the connection that failed."""
        if self.pool is None:
            raise AssertionError
        for _ in range(_TRIES):
            try:
                return await ask(self.pool)
            except _AGAIN:
                await anyio.sleep(_PAUSE)
        return await ask(self.pool)

    def answer(self, content: object, status: int = 200) -> JSONResponse:
        """Return a response that says who gave it."""
        return JSONResponse(content, status, headers={"x-revision": self.revision})

    async def health(self, _: Request) -> Response:
        """Say that it serves."""
        return self.answer({"revision": self.revision})

    async def sample(self, _: Request) -> Response:
        """Show some sample."""
        if self.broken and random.random() < 0.5:
            return self.answer({"error": "planted"}, 500)
        query = f"SELECT {self.columns} FROM samples WHERE id = $1"  # noqa: S608 -- names of ours
        found = await self.asked(lambda pool: pool.fetchrow(query, random.randrange(1, 1_000)))
        return self.answer(dict(found or {}))

    async def note(self, request: Request) -> Response:
        """Keep a note, and answer with it once it is safe."""
        body = await request.body()
        digest = hashlib.sha256(body).hexdigest()
        query = "INSERT INTO notes (digest, body) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        try:
            await self.asked(lambda pool: pool.execute(query, digest, body))
        except asyncpg.ReadOnlySQLTransactionError:
            return self.answer({"error": "read only for a moment: send it again"}, 503)
        return Response(body, headers={"x-revision": self.revision})


def main() -> None:
    """Serve until SIGTERM, then finish what is under way."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--uds", help="path of a unix socket")
    where.add_argument("--port", type=int, help="of every address, as in a container")
    parser.add_argument("--revision", default="v1", help="named in each answer")
    parser.add_argument(
        "--site", action="store_true", help="show where a sample was taken: needs version 0002"
    )
    parser.add_argument("--broken", action="store_true", help="fail every second reader")
    options = parser.parse_args()
    service = Service(options)
    routes = [
        Route("/", service.sample),
        Route("/health", service.health),
        Route("/notes", service.note, methods=["POST"]),
    ]
    app = Starlette(routes=routes, lifespan=service.lifespan)
    uvicorn.run(
        app,
        host="0.0.0.0",  # noqa: S104 -- with --port only, which is for containers
        port=options.port or 0,
        uds=options.uds,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
