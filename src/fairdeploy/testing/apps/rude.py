"""An application that cuts everything when it is told to stop: `python -m fairdeploy.testing.apps.rude --port 0`.

On SIGTERM it exits at once, with status 0: connections are closed, requests in flight get no answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fairdeploy.testing.apps._options import read_options
from fairdeploy.testing.apps._serving import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    import uvicorn

    from fairdeploy.testing.apps._asgi import App
    from fairdeploy.testing.apps._options import Options

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, then vanish."""
    serve(read_options("rude", argv), _vanish)


async def _vanish(_app: App, _server: uvicorn.Server, _options: Options) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
