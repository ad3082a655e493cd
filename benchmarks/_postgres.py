"""A PostgreSQL server of one's own that keeps what it commits, as the tests' own does not."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.postgres import PostgresServer, binaries, started

__all__ = ["PostgresServer", "server"]


@contextmanager
def server(*options: str) -> Iterator[PostgresServer]:
    """Run it while the block runs, with settings such as ``shared_buffers=256MB``."""
    copies = Path(tempfile.mkdtemp(prefix="fairdeploy-pg-"))
    copies.chmod(0o755)
    try:
        with started(binaries(copies), "fsync=on", *options) as running:
            yield running
    finally:
        shutil.rmtree(copies)
