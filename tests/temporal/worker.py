"""A worker as a program: ``python -m tests.temporal.worker ADDRESS URI LEASE``, where the URI is a backend's or a shelf's."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from temporalio.client import Client

from fairdeploy import Deployer
from fairdeploy.guard.opening import open_backend
from fairdeploy.journal.opening import open_journal
from fairdeploy.temporal.worker import rollout_worker
from tests.temporal.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.protocols import Backend


@asynccontextmanager
async def opened(uri: str) -> AsyncIterator[Backend]:
    """Open what a worker acts on: ``shelf:FOLDER JOURNAL``, or a backend's URI."""
    if not uri.startswith("shelf:"):
        async with open_backend(uri) as backend:
            yield backend
        return
    folder, _, journal = uri.removeprefix("shelf:").partition(" ")
    async with open_journal(journal) as found:
        yield Shelf(Path(folder), found)


async def main(address: str, uri: str, lease: str) -> None:
    """Work until told to stop, by SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(address)
    async with opened(uri) as backend:
        deployer = Deployer(backend, lease=float(lease), validate=False)
        async with rollout_worker(client, deployer):
            sys.stdout.write("working\n")
            sys.stdout.flush()
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
