"""The disk of the server's log (WAL) is full: the server itself ends, as PostgreSQL does then."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import DatabaseError
from fairdeploy.model import Outcome
from tests.database.crash_house import LEDGER
from tests.database.test_faults import deployed, filled_up, is_whole, ledger, small_disk
from tests.postgres import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Binaries, PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


@pytest.fixture
def server(postgres_binaries: Binaries) -> Iterator[PostgresServer]:
    """Give a server of which the log is small, and not written in advance."""
    with started(postgres_binaries, "wal_recycle=off", "wal_init_zero=on", "min_wal_size=32MB") as own:
        own.sql("CREATE DATABASE ledger")
        own.sql(LEDGER, "ledger")
        own.stop()
        yield own


@contextmanager
def log_on_small_disk(server: PostgresServer, megabytes: int) -> Iterator[Path]:
    """Let the log of a server that stands still be on a disk of its own while it runs."""
    log, place = server.data / "pg_wal", server.folder / "small-wal"
    with small_disk(place, megabytes):
        for each in log.iterdir():
            shutil.move(each, place)
        log.rmdir()
        log.symlink_to(place)
        for each in (place, *place.rglob("*")):
            os.chown(each, server.data.stat().st_uid, -1)
        server.start()
        try:
            yield place
        finally:
            server.kill()


def fill_the_segment(server: PostgresServer) -> None:
    """Write to the log until little is left of its last file: what comes next needs a new one."""
    server.sql(
        "DO $$ DECLARE left_over int; BEGIN LOOP"
        " left_over := 16777216 - (pg_walfile_name_offset(pg_current_wal_insert_lsn())).file_offset;"
        " EXIT WHEN left_over < 600;"
        " PERFORM pg_logical_emit_message(false, 'ballast', repeat('x', greatest(100, left_over * 9 / 10 - 10000)));"
        " END LOOP; END $$"
    )


async def test_no_room_for_the_log_amid_a_release(server: PostgresServer, tmp_path: Path) -> None:
    """However far it came, it is told and nothing is half done; once there is room the server recovers, all is there."""
    with log_on_small_disk(server, 64) as place:
        database = ledger(server, tmp_path / "backups")
        filled_up(place)
        fill_the_segment(server)
        try:
            result = await deployed(database, "indexed", "reversible", backup=False)
        except DatabaseError as refused:  # where the server ended before the plan was made
            said = str(refused)
        else:
            assert result.outcome in {Outcome.ROLLED_BACK, Outcome.NEEDS_ATTENTION}
            said = result.reason
        assert "No space left on device" in (server.folder / "log").read_text(encoding="utf-8")
        server.kill()
        (place / "ballast").unlink()
        server.start()
        await is_whole(database, "first")
    assert "ledger" in said
