"""A migration tool of plain SQL, as small as can be: ``tool.py PSQL COMMAND``, or ``tool.py PSQL up|down VERSION``."""

from __future__ import annotations

import os
import sys

UP = {
    "added": "ALTER TABLE notes ADD COLUMN author text",
    "indexed": "CREATE TABLE readers (name text); CREATE INDEX ON notes (body)",
    "dropped": "ALTER TABLE notes DROP COLUMN old",
}
DOWN = {"indexed": "DROP TABLE readers; DROP INDEX notes_body_idx"}


def main(psql: str, what: str, version: str = "") -> None:
    """Become psql, so that the tool lives on by itself when whoever has started it dies."""
    if what == "current":
        said = ["-c", "SELECT version FROM versions"]
    else:
        # After the change, and before its commit: the moment in which a death would leave most behind.
        pause = os.environ.get("LEDGER_PAUSE", "0.1")
        changes = f"{(UP if what == 'up' else DOWN)[version if what == 'up' else 'indexed']}; SELECT pg_sleep({pause})"
        said = ["--single-transaction", "-c", changes, "-c", f"UPDATE versions SET version = '{version}'"]  # noqa: S608 -- a name of ours
    argv = [psql, "-XAtq", "-v", "ON_ERROR_STOP=1", *said, os.environ["DATABASE_URL"]]
    os.execv(psql, argv)  # noqa: S606 -- an argument list of ours


main(*sys.argv[1:])
