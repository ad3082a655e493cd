"""Load while a block runs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, final

import anyio
import sniffio

from fairdeploy.errors import Refused
from fairdeploy.testing.load._endpoint import endpoint_of
from fairdeploy.testing.load._engine import Engine
from fairdeploy.testing.load.settings import LoadSettings, Pace
from fairdeploy.testing.load.traffic import keep_alive

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Collection, Sequence

    from fairdeploy.testing.load.outcomes import Classifier
    from fairdeploy.testing.load.report import LoadReport
    from fairdeploy.testing.load.traffic import Traffic

__all__ = ["Load", "generate_load"]


@final
class Load:
    """A load that runs, or has run. Made by `generate_load`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def snapshot(self) -> LoadReport:
        """Return the figures so far, at any time."""
        return self._engine.snapshot()

    def report(self) -> LoadReport:
        """Return the final figures.

        Raises:
            Refused: The load has not stopped yet; leave its `async with` block first, or take a `snapshot()`.
        """
        if not self._engine.finished:
            msg = "the load still runs: leave its 'async with' block before report(), or call snapshot()"
            raise Refused(msg)
        return self._engine.snapshot()

    async def wait(self) -> None:
        """Wait until the load has ended by itself: `max_requests` or `max_seconds` was reached. Answers may be outstanding."""
        await self._engine.ended.wait()


@asynccontextmanager
async def generate_load(
    url: str,
    *,
    mix: Sequence[Traffic] = (),
    rate: float | None = None,
    workers: int | None = None,
    settings: LoadSettings | None = None,
    classify: Classifier | None = None,
    allow_hosts: Collection[str] = (),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Load]:
    """Load a server while the block runs. No request is ever sent twice.

    Leaving the block ends the arrivals and waits for outstanding answers (`settings.stop_within`); leaving it by an
    exception gives them up at once.

    Args:
        url: Base URL, such as `http://127.0.0.1:8080`.
        mix: Kinds of traffic with weights; by default keep-alive GETs of `/`.
        rate: Open loop: requests per second, started on schedule whatever the answers.
        workers: Closed loop: so many requests at a time.
        settings: Bounds and header names.
        classify: What an answer means; by default `answered_by_app(settings.marker or settings.revision_header)`.
        allow_hosts: Hosts beyond loopback that may be loaded.
        tls: The context for https.

    Raises:
        InvalidInput: A value cannot be right.
        Refused: The host is not loopback, or the event loop is not asyncio's.
        MissingDependency: The mix has websockets and the `websockets` library is missing.
    """
    if (loop := sniffio.current_async_library()) != "asyncio":
        msg = f"generate_load() runs on asyncio only and this is {loop!r}: call load_process(), which loads from a process of its own"
        raise Refused(msg)
    endpoint = endpoint_of(url, allow_hosts=allow_hosts, tls=tls)
    pace = Pace(rate=rate, workers=workers)
    engine = Engine(endpoint, tuple(mix) or (keep_alive(),), pace, settings or LoadSettings(), classify)
    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as requests:
            requests.start_soon(engine.run, requests)
            try:
                yield Load(engine)
            except (GeneratorExit, anyio.get_cancelled_exc_class()):
                raise
            except BaseException as exc:  # noqa: BLE001 -- raised again below, so that it does not come out in a group
                failure = exc
            else:
                await engine.drain()
            requests.cancel_scope.cancel()
    finally:
        engine.finish()
    if failure is not None:
        raise failure
