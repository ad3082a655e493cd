"""The data that the examples serve: 344 penguins of the Palmer Archipelago, counted 2007 to 2009.

Horst AM, Hill AP, Gorman KB (2020), palmerpenguins, CC0; the observations are those of Gorman, Williams and Fraser
(2014), Palmer Station Long Term Ecological Research.
"""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from apps.environments import PreparationError, Say, prepare_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["build_database"]

_LOCK = "palmerpenguins-0.1.6"

_SCHEMA = """
CREATE TABLE penguins (
    id INTEGER PRIMARY KEY, species TEXT NOT NULL, island TEXT NOT NULL, bill_length_mm REAL, bill_depth_mm REAL,
    flipper_length_mm INTEGER, body_mass_g INTEGER, sex TEXT, year INTEGER NOT NULL
);
CREATE TABLE nests (
    id INTEGER PRIMARY KEY, penguin INTEGER NOT NULL REFERENCES penguins (id), individual TEXT NOT NULL,
    study TEXT NOT NULL, clutch_completion TEXT, date_egg TEXT, delta_15_n REAL, delta_13_c REAL, comments TEXT
);
CREATE TABLE sightings (id INTEGER PRIMARY KEY, species TEXT NOT NULL, island TEXT NOT NULL, observer TEXT NOT NULL);
CREATE INDEX penguins_by_species ON penguins (species, island);
"""

_PENGUIN = (
    "species",
    "island",
    "bill_length_mm",
    "bill_depth_mm",
    "flipper_length_mm",
    "body_mass_g",
    "sex",
    "year",
)
_NEST = (
    "Individual ID",
    "studyName",
    "Clutch Completion",
    "Date Egg",
    "Delta 15 N (o/oo)",
    "Delta 13 C (o/oo)",
    "Comments",
)


async def build_database(cache: Path, folder: Path, say: Say) -> Path:
    """Write the data as a SQLite file with real tables, and an empty one that visitors fill.

    Args:
        cache: Where the downloaded package is kept.
        folder: Where `samples.db` is written; an old one there is replaced, its sightings with it.
        say: Is told when something is downloaded.

    Returns:
        The path of `samples.db`.

    Raises:
        PreparationError: If the package cannot be fetched, or is not as published.
    """
    # The package wants pandas and numpy to load its two CSV files; the files are all that is needed.
    environment = await prepare_environment(cache, _LOCK, say, dependencies=False)
    found = sorted(environment.glob("lib/python*/site-packages/palmerpenguins/data"))
    if not found:
        msg = f"{_LOCK!r} holds no folder 'data': remove {str(environment)!r} and start again"
        raise PreparationError(msg)
    penguins = _rows(found[0] / "penguins.csv", _PENGUIN)
    nests = _rows(found[0] / "penguins-raw.csv", _NEST)
    path = folder / "samples.db"
    for old in (path, folder / "samples.db-wal", folder / "samples.db-shm"):
        old.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        # Two releases read and write the file at once during a rollout: only WAL lets them.
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_SCHEMA)
        database.executemany(f"INSERT INTO penguins VALUES (NULL{', ?' * len(_PENGUIN)})", penguins)  # noqa: S608 - only question marks
        # Both files list the same birds in the same order.
        database.executemany(f"INSERT INTO nests VALUES (NULL, ?{', ?' * len(_NEST)})", _numbered(nests))  # noqa: S608 - only question marks
        database.commit()
    return path


def _numbered(rows: Sequence[tuple[str | None, ...]]) -> list[tuple[int | str | None, ...]]:
    """Put the number of each row, from 1, before its values."""
    return [(number, *row) for number, row in enumerate(rows, start=1)]


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[str | None, ...]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            tuple(None if row[column] == "NA" else row[column] for column in columns)
            for row in csv.DictReader(file)
        ]
