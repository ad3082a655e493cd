"""A Datasette plugin: every answer says in `x-revision` which release gave it, also an error page."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping

from pluggy import HookimplMarker

Message = MutableMapping[str, object]
Scope = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

hookimpl = HookimplMarker("datasette")


@hookimpl
def asgi_wrapper(datasette: object) -> Callable[[App], App]:
    """Name the release in every response.

    Args:
        datasette: The server; not needed.
    """
    del datasette
    name = os.environ.get("REVISION", "unknown").encode()

    def wrap(app: App) -> App:
        async def named(scope: Scope, receive: Receive, send: Send) -> None:
            async def tell(message: Message) -> None:
                headers = message.get("headers")
                if message["type"] == "http.response.start" and isinstance(headers, list):
                    message = {**message, "headers": [*headers, (b"x-revision", name)]}
                await send(message)

            await app(scope, receive, tell)

        return named

    return wrap
