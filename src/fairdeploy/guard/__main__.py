"""Run the guard as a program: ``python -m fairdeploy.guard URI [URI...] [--module pkg.bindings]``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio

from fairdeploy.errors import FairdeployError
from fairdeploy.guard.bindings import Bindings, load_bindings
from fairdeploy.guard.door import Door
from fairdeploy.guard.loop import recover_until_idle
from fairdeploy.guard.opening import open_backend

_LOG = logging.getLogger("fairdeploy")
_ASKED_TO_LEAVE = 128 + signal.SIGTERM
"""Exit status: not 0, so that a keeper which did not ask for it starts the guard again."""


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fairdeploy.guard",
        description="Recovers what dead deployers left, ends what is over, and exits with 0 when nothing is left to do.",
    )
    parser.add_argument("uri", nargs="+", help="what Backend.uri says, such as local:///srv/deployments")
    parser.add_argument(
        "--module",
        help="module that declares `checks`, `sources` and `databases` by name, as given to Deployer",
    )
    parser.add_argument("--interval", type=_seconds, default=1.0, help="seconds between two looks (1)")
    parser.add_argument(
        "--linger", type=_seconds, default=30.0, help="seconds with nothing to do before it exits (30)"
    )
    parser.add_argument(
        "--door", type=Path, help="lock file that programs share while they begin a rollout, not to be missed"
    )
    return parser.parse_args(words)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.01 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.01 and 86400 seconds")
    return value


async def _guard(given: argparse.Namespace) -> int:
    code = 0
    async with AsyncExitStack() as stack:
        bound = load_bindings(given.module) if given.module else Bindings()
        backends = [await stack.enter_async_context(open_backend(uri)) for uri in given.uri]
        async with anyio.create_task_group() as tasks:

            async def leave_when_asked() -> None:
                nonlocal code
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for number in signals:
                        _LOG.info("%s: finishing what is in hand", number.name)
                        code = _ASKED_TO_LEAVE
                        tasks.cancel_scope.cancel()

            tasks.start_soon(leave_when_asked)
            await recover_until_idle(
                backends,
                checks=bound.checks,
                sources=bound.sources,
                databases=bound.databases,
                interval=given.interval,
                linger=given.linger,
                door=Door(given.door),
            )
            tasks.cancel_scope.cancel()
    return code


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program; return its exit status."""
    given = _arguments(words)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    _LOG.setLevel(logging.INFO)
    try:
        return anyio.run(partial(_guard, given))
    except FairdeployError as error:
        _LOG.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
