"""The tables of a PostgreSQL journal, and how older ones become these.

Nothing is locked between two calls: a program that is stopped in the middle of anything keeps nobody waiting.
What was read is written upon only if it has not moved since (``turn``), in one call that checks both.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from fairdeploy.errors import InvalidInput, JournalError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

__all__ = ["FORMAT", "LOOK", "UPGRADES", "quoted", "upgrade"]

_LOCK: Final = 0x66646A31
"""Key of the advisory lock under which tables are made and upgraded (``fdj1``)."""

_TABLES = """
CREATE TABLE {schema}.journal (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format integer NOT NULL,
    key bytea NOT NULL,
    seq bigint NOT NULL DEFAULT 0
);
CREATE TABLE {schema}.lease (target text PRIMARY KEY, rollout text NOT NULL, epoch bigint NOT NULL);
CREATE TABLE {schema}.rollout (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    targets text[] NOT NULL,
    plan text NOT NULL,
    began_ms bigint NOT NULL,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    expires_ms bigint NOT NULL,
    parked boolean NOT NULL,
    result text,
    due text NOT NULL,
    unfinished boolean NOT NULL,
    turn bigint NOT NULL DEFAULT 1
);
CREATE INDEX rollout_unfinished ON {schema}.rollout (number) WHERE unfinished;
CREATE TABLE {schema}.event (
    seq bigint PRIMARY KEY,
    rollout text NOT NULL,
    epoch bigint NOT NULL,
    at_ms bigint NOT NULL,
    version integer NOT NULL,
    record text NOT NULL,
    batch uuid NOT NULL
);
CREATE INDEX event_rollout ON {schema}.event (rollout, seq);
"""

_WRITING = """
CREATE FUNCTION {schema}.write(changes json) RETURNS bigint LANGUAGE plpgsql AS $write$
DECLARE
    base bigint;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- One writer at a time, until it has committed: positions grow without a gap, in the order in which they are seen.
    SELECT seq INTO base FROM {schema}.journal FOR UPDATE;
    PERFORM 1 FROM json_to_recordset(changes->'turns') AS was(id text, turn bigint)
        LEFT JOIN {schema}.rollout AS now ON now.id = was.id WHERE coalesce(now.turn, 0) <> was.turn;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM json_to_recordset(changes->'held') AS was(target text, rollout text, epoch bigint)
        LEFT JOIN {schema}.lease AS now ON now.target = was.target
        WHERE coalesce(now.epoch, 0) <> was.epoch OR coalesce(now.rollout, '') <> was.rollout;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO {schema}.rollout AS old
        (id, targets, plan, began_ms, holder, epoch, expires_ms, parked, result, due, unfinished)
        SELECT id, ARRAY(SELECT json_array_elements_text(targets)), plan,
               began_ms, holder, epoch, expires_ms, parked, result, due, unfinished
        FROM json_to_recordset(changes->'rollouts') AS new(
            id text, targets json, plan text, began_ms bigint, holder text, epoch bigint,
            expires_ms bigint, parked boolean, result text, due text, unfinished boolean)
        WHERE plan IS NOT NULL;
    UPDATE {schema}.rollout AS old SET
        holder = new.holder, epoch = new.epoch, expires_ms = new.expires_ms, parked = new.parked,
        result = new.result, due = new.due, unfinished = new.unfinished, turn = old.turn + 1
        FROM json_to_recordset(changes->'rollouts') AS new(
            id text, plan text, holder text, epoch bigint,
            expires_ms bigint, parked boolean, result text, due text, unfinished boolean)
        WHERE old.id = new.id AND new.plan IS NULL;
    INSERT INTO {schema}.lease (target, rollout, epoch)
        SELECT target, rollout, epoch
        FROM json_to_recordset(changes->'leases') AS new(target text, rollout text, epoch bigint)
        ON CONFLICT (target) DO UPDATE SET rollout = excluded.rollout, epoch = excluded.epoch;
    INSERT INTO {schema}.event (seq, rollout, epoch, at_ms, version, record, batch)
        SELECT base + place, rollout, epoch, at_ms, version, record, batch
        FROM json_to_recordset(changes->'events') AS new(
            place bigint, rollout text, epoch bigint, at_ms bigint, version integer, record text, batch uuid);
    UPDATE {schema}.journal SET seq = base + json_array_length(changes->'events');
    RETURN base;
END
$write$;
"""

_KEEPING = """
CREATE FUNCTION {schema}.only_appended() RETURNS trigger LANGUAGE plpgsql AS $kept$
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM {schema}.rollout WHERE id = OLD.rollout) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'events are only appended';
END
$kept$;
CREATE TRIGGER event_kept BEFORE UPDATE OR DELETE ON {schema}.event
    FOR EACH ROW EXECUTE FUNCTION {schema}.only_appended();
CREATE FUNCTION {schema}.forget(ids text[]) RETURNS text[] LANGUAGE plpgsql AS $forget$
DECLARE
    gone text[];
BEGIN
    PERFORM 1 FROM {schema}.journal FOR UPDATE;
    WITH dropped AS (DELETE FROM {schema}.rollout WHERE id = ANY(ids) AND NOT unfinished RETURNING id)
        SELECT coalesce(array_agg(id), '{{}}') INTO gone FROM dropped;
    DELETE FROM {schema}.event WHERE rollout = ANY(gone);
    RETURN gone;
END
$forget$;
CREATE FUNCTION {schema}.only_finished() RETURNS trigger LANGUAGE plpgsql AS $kept$
BEGIN
    IF OLD.unfinished THEN
        RAISE EXCEPTION 'what is unfinished is kept';
    END IF;
    RETURN OLD;
END
$kept$;
CREATE TRIGGER rollout_kept BEFORE DELETE ON {schema}.rollout
    FOR EACH ROW EXECUTE FUNCTION {schema}.only_finished();
"""

UPGRADES: Final = (_TABLES, _WRITING + _KEEPING)
"""What makes each format from the one before it. What stands here is never changed: a new format is a new entry."""
FORMAT: Final = len(UPGRADES)

LOOK: Final = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
    (SELECT seq FROM {schema}.journal) AS seq,
    (SELECT json_agg(each) FROM (
        SELECT id, targets, began_ms, holder, epoch, expires_ms, parked, result, due, turn
        FROM {schema}.rollout
        WHERE id = ANY($1::text[]) OR id IN (SELECT rollout FROM {schema}.lease WHERE target = ANY($2::text[]))
        ORDER BY number) AS each) AS rollouts,
    (SELECT json_agg(each) FROM (
        SELECT target, rollout, epoch FROM {schema}.lease
        WHERE target = ANY($2::text[])
           OR target IN (SELECT unnest(targets) FROM {schema}.rollout WHERE id = ANY($1::text[]))) AS each) AS leases,
    (SELECT json_agg(each) FROM (
        SELECT batch, max(seq) AS seq FROM {schema}.event
        WHERE seq > $3 AND batch = ANY($4::uuid[]) GROUP BY batch) AS each) AS written
"""
"""Everything that decides about some calls, as it stands at one moment: ids of rollouts, targets, and of what was
written after a position, what bears one of these marks."""


def quoted(schema: str) -> str:
    """Return a schema's name as SQL takes it.

    Raises:
        InvalidInput: If it is none of a few plain letters.
    """
    if not isinstance(schema, str) or not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
        raise InvalidInput(
            f"schema {schema!r} is no name for a journal's tables: give lower-case letters, digits and underscores"
        )
    return f'"{schema}"'


async def upgrade(connection: PoolConnectionProxy, schema: str, *, upto: int = FORMAT) -> bytes:
    """Make or upgrade the tables, once, whoever comes first, and return the journal's random bytes.

    Args:
        connection: To the database.
        schema: Where the tables are.
        upto: The format to reach.

    Raises:
        JournalError: If something else is there, something newer, or everybody may read it.
    """
    known = await _format(connection, schema)
    if known != upto:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            known = await _format(connection, schema)
            if known == 0:
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            for number, statements in enumerate(UPGRADES[known:upto], known + 1):
                await connection.execute(statements.format(schema=quoted(schema)))
                await _mark(connection, schema, number)
    key = await connection.fetchval(f"SELECT key FROM {quoted(schema)}.journal")  # noqa: S608 -- a proven name
    return bytes(key)


async def _mark(connection: PoolConnectionProxy, schema: str, number: int) -> None:
    if number == 1:
        await connection.execute(
            f"INSERT INTO {quoted(schema)}.journal (format, key) VALUES (1, $1)",  # noqa: S608 -- a proven name
            secrets.token_bytes(32),
        )
    else:
        await connection.execute(
            f"UPDATE {quoted(schema)}.journal SET format = $1",  # noqa: S608 -- a proven name
            number,
        )


async def _format(connection: PoolConnectionProxy, schema: str) -> int:
    """Return the format that is there, 0 if there is none. Changes nothing."""
    tables = set(
        await connection.fetchval(
            "SELECT coalesce(array_agg(relname::text), '{}') FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)",
            schema,
        )
    )
    if not tables:
        return 0
    if not tables >= {"journal", "lease", "rollout", "event"}:
        raise _unusable(
            f"schema {schema!r} holds other tables than a journal's: name another with schema=..."
        )
    if await connection.fetchval(_EVERYBODY, schema):
        raise _unusable(
            f"the journal in schema {schema!r} is open to everybody: run `REVOKE ALL ON SCHEMA {schema} FROM PUBLIC`"
        )
    number = await connection.fetchval(f"SELECT format FROM {quoted(schema)}.journal")  # noqa: S608 -- a proven name
    if not isinstance(number, int) or number > FORMAT:
        raise _unusable(
            f"the journal in schema {schema!r} is of a newer fairdeploy "
            f"(format {number}, this one knows {FORMAT}): upgrade fairdeploy"
        )
    return number


_EVERYBODY = (
    "SELECT EXISTS (SELECT 1 FROM pg_namespace, aclexplode(nspacl) AS may"
    " WHERE nspname = $1 AND may.grantee = 0 AND may.privilege_type = 'USAGE')"
)


def _unusable(message: str) -> JournalError:
    error = JournalError(message)
    error.retryable = False
    return error
