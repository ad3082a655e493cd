"""A Datasette plugin with a bug: every twentieth page fails, while the health endpoint stays green.

This is what a health check alone cannot see. It is counted and not drawn by lot, so that each process fails exactly
5 % of its pages and the story is the same every time.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, MutableMapping

from pluggy import HookimplMarker

Message = MutableMapping[str, object]
Scope = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_EVERY = 20

hookimpl = HookimplMarker("datasette")


# The first wrapper is the innermost: so the failures, too, say which revision they come from.
@hookimpl(tryfirst=True)
def asgi_wrapper(datasette: object) -> Callable[[App], App]:
    """Break every twentieth page.

    Args:
        datasette: The server; not needed.
    """
    del datasette
    pages = itertools.count(1)

    def wrap(app: App) -> App:
        async def broken(scope: Scope, receive: Receive, send: Send) -> None:
            page = scope["type"] == "http" and not str(scope["path"]).startswith("/-/")
            if not page or next(pages) % _EVERY:
                await app(scope, receive, send)
                return
            body = b"the connection pool is exhausted\n"
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        return broken

    return wrap
