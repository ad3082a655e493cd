"""An application that loses nothing when it is told to stop: `python -m fairdeploy.testing.apps.polite --port 0`.

On SIGTERM it goes on accepting and answers with `Connection: close` for `--drain` seconds, waits for its websockets to
end by themselves, at most `--grace` seconds, then closes its port, finishes the requests in flight and exits with 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from fairdeploy.testing.apps._options import read_options
from fairdeploy.testing.apps._serving import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    import uvicorn

    from fairdeploy.testing.apps._asgi import App
    from fairdeploy.testing.apps._options import Options

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, then drain."""
    serve(read_options("polite", argv), _drain)


async def _drain(app: App, server: uvicorn.Server, options: Options) -> None:
    app.draining = True
    await anyio.sleep(options.drain)
    with anyio.move_on_after(options.grace):
        await app.quiet()
    server.should_exit = True


if __name__ == "__main__":
    main()
