"""Rows that a restore took away can be put back from what was exported, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.database.comparing import export_lost, loss
from fairdeploy.database.connection import connected
from fairdeploy.database.restoring import beside, drop, restore_beside
from fairdeploy.database.swapping import swap
from fairdeploy.database.taking import take_backup

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

KINDS = """
SET search_path = public;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE place AS (street text, number int);
CREATE TABLE kinds (
  id bigserial PRIMARY KEY, small smallint, huge numeric, exact numeric(20, 10), rough float8, single real, yes boolean,
  words text, fixed char(5), bytes bytea, at timestamptz, local timestamp, day date, clock time, lasts interval, who uuid,
  doc json, binary_doc jsonb, many int[], nested text[][], span tstzrange, net inet, bits bit(4), feels mood, lives place
);
"""
ROWS = """
INSERT INTO public.kinds (small, huge, exact, rough, single, yes, words, fixed, bytes, at, local, day, clock, lasts, who, doc,
  binary_doc, many, nested, span, net, bits, feels, lives)
VALUES
  (-32768, 123456789012345678901234567890.123456789, 0.1234567890, 0.1::float8 + 0.2, 1e-7, true,
   E'a "quoted" \\\\ line\\nand ünïcode \\u2028 🙂', 'ab', '\\x00ff5c22', '2026-03-29 01:30:00.123456+00', '2026-03-29 02:30', '0044-03-15 BC',
   '23:59:59.999999', '1 year 2 mons 3 days 04:05:06.7', '00000000-0000-0000-0000-0000000000ff',
   E'{"b": 1,\\n "a":  [null, 1.10, 12345678901234567890123]}', '{"a": {"deep": "\\u00e9"}}', '{1,NULL,-3}', '{{"x,y","\\"z\\""},{"","NULL"}}',
   '[2026-01-01 00:00+00,infinity)', '10.0.0.0/8', B'1010', 'happy', ROW('Main, "Street"', 7)),
  (NULL, 'NaN', NULL, 'NaN', 'Infinity', NULL, '', '', '', 'infinity', '-infinity', 'infinity', '00:00', '-1 day', NULL, '"null"',
   '[]', '{}', NULL, 'empty', '::1', NULL, NULL, ROW(NULL, NULL)),
  (0, 0, -0.0000000001, '-0'::float8, 0, false, 'null', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""
AS_TEXT = r"SELECT replace(k::text, E',\n ', ',  ') FROM public.kinds k WHERE id > 1 ORDER BY id"
"""A line end between the values of a `json` column is a space in a file of lines; all else is compared to the letter."""
PUT_BACK = "INSERT INTO public.kinds SELECT (json_populate_record(NULL::public.kinds, $1::json)).*"


async def test_every_value_of_a_lost_row_comes_back_as_it_was(
    shop: DatabaseAddress, folder: Path, tmp_path: Path
) -> None:
    """Numbers to the last digit, instants, bytes, documents, arrays, ranges, types of one's own, and nothing as nothing."""
    async with connected(shop) as connection:
        await connection.execute(KINDS)
        await connection.execute("INSERT INTO public.kinds (words) VALUES ('before the backup')")
        backup = await take_backup(shop, folder)
        await connection.execute(ROWS)
        before = await connection.fetch(AS_TEXT)

    name, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, backup, name)
    report = await loss(shop, shop.named(name), f"backup {backup.id!r}")
    assert [(each.table, each.lost) for each in report.tables] == [("public.kinds", 3)]
    await swap(shop, name, kept)
    (path,) = await export_lost(shop.named(kept), shop, tmp_path / "lost")

    async with connected(shop) as connection:
        assert await connection.fetchval("SELECT count(*) FROM public.kinds") == 1
        for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
            await connection.execute(PUT_BACK, line)
        assert await connection.fetch(AS_TEXT) == before
    await drop(shop, kept)
