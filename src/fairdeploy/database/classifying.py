"""What a migration's SQL does to the way back: additive, reversible or destructive, statement by statement.

Reading SQL is sqlglot's, telling what locks is squawk's; both come with the extra ``migrations``. What neither can read
counts as destructive: nobody can tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import anyio

from fairdeploy.database._statements import SIMPLE, Judgement, altered, commanded, dropped
from fairdeploy.database.programs import tool_of
from fairdeploy.errors import DatabaseError, DeadlineExceeded, InvalidInput, MissingDependency
from fairdeploy.model import Classification, MigrationClass
from fairdeploy.system import run_to_end

if TYPE_CHECKING:
    from sqlglot import exp

    Statement: TypeAlias = exp.Expr

__all__ = ["classify", "examine", "hazards"]

_ORDER: Final[tuple[MigrationClass, ...]] = ("additive", "reversible", "destructive")
_OWN: Final = frozenset({"alembic_version", "django_migrations", "schema_migrations"})
"""Where tools keep their books: what is written there is no loss."""
_LOCKS: Final = frozenset(
    {
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-not-nullable-field",
        "adding-required-field",
        "adding-serial-primary-key-field",
        "ban-alter-domain-with-add-constraint",
        "ban-concurrent-index-creation-in-transaction",
        "ban-truncate-cascade",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-lock-timeout",
        "require-statement-timeout",
        "require-timeout-settings",
    }
)
"""Rules of squawk (https://squawkhq.com/docs/rules) that are about locks and waits; the others are about style."""
_UNSAID: Final = "-- THIS OPERATION CANNOT BE WRITTEN AS SQL"
"""What ``manage.py sqlmigrate`` prints in the place of Python that is run."""
_DOWN: Final = re.compile(r"^--\s*migrate:down\b.*\Z", re.MULTILINE | re.DOTALL)
"""The way back in a file of dbmate's, below the way forward."""
_LINT_S: Final = 30.0


def classify(sql: str) -> Classification:
    """Return what a migration is, by its statements. Reads nothing but the text.

    Args:
        sql: Of the way forward, in PostgreSQL's words: a file (of dbmate's, the part that goes up is read), or what
            ``alembic upgrade a:b --sql`` and ``manage.py sqlmigrate`` print.

    Raises:
        MissingDependency: If the extra ``migrations`` is not installed.
        InvalidInput: If it is no text.

    Example:
        >>> print(classify("ALTER TABLE users ADD COLUMN nick text; DROP TABLE old_users;"))  # doctest: +SKIP
        destructive
          statement 2: drops the table old_users, and what is in it
    """
    if not isinstance(sql, str):
        msg = f"a migration must be SQL as text, not {type(sql).__name__}"
        raise InvalidInput(msg)
    try:
        import sqlglot  # noqa: PLC0415 -- of an extra
        from sqlglot.errors import SqlglotError  # noqa: PLC0415 -- as above
    except ImportError as error:
        msg = 'classifying migrations needs sqlglot: pip install "fairdeploy[migrations]"'
        raise MissingDependency(msg) from error
    try:
        statements = [
            each for each in sqlglot.parse(_DOWN.sub("", sql), dialect="postgres") if each is not None
        ]
    except (SqlglotError, RecursionError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Classification("destructive", reasons=(f"it cannot be read, so nobody can tell: {why[:200]}",))
    reading = _Reading()
    found: list[Judgement] = []
    if _UNSAID in sql:
        found.append(("destructive", "runs Python, of which nobody can tell what it does"))
    for number, statement in enumerate(statements, 1):
        for kind, why in reading.judged(statement):
            found.append((kind, f"statement {number}: {why}"))
    kinds: list[MigrationClass] = ["additive", *(kind for kind, _ in found)]
    worst = max(kinds, key=_ORDER.index)
    return Classification(
        worst, reasons=tuple(why for kind, why in found if kind == worst and kind != "additive")
    )


async def examine(sql: str) -> Classification:
    """Return what a migration is, with the locks and waits that it may cost.

    Raises:
        MissingDependency: If the extra ``migrations`` is not installed.
        DatabaseError: If squawk cannot be run to its end.
    """
    found = await anyio.to_thread.run_sync(classify, sql)
    return replace(found, hazards=await hazards(sql))


async def hazards(sql: str) -> tuple[str, ...]:
    """Return what squawk says of a migration's locks and time-outs.

    Raises:
        MissingDependency: If the extra ``migrations`` is not installed.
        DatabaseError: If it cannot be run to its end.
    """
    program = tool_of("squawk")
    if program is None:
        msg = 'telling what a migration locks needs squawk: pip install "fairdeploy[migrations]"'
        raise MissingDependency(msg)
    try:
        ran = await run_to_end(
            [program, "--reporter", "json", "--no-error-on-unmatched-pattern"],
            within=_LINT_S,
            given=sql.encode(),
        )
        said: list[dict[str, Any]] = json.loads(ran.output or b"[]")
    except (DeadlineExceeded, ValueError) as error:
        msg = f"squawk could not look at the migration ({type(error).__name__}): run it by hand to see why"
        raise DatabaseError(msg) from error
    return tuple(
        f"line {int(each['line']) + 1}: {each['message']}" + (f" {each['help']}" if each.get("help") else "")
        for each in said
        if each.get("rule_name") in _LOCKS
    )


@final
@dataclass(slots=True)
class _Reading:
    """What has been read so far: what a migration has made itself, it may fill and take away."""

    tables: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)

    def judged(self, statement: Statement) -> Iterator[Judgement]:
        """Yield what a statement is, and why."""
        kind = type(statement).__name__
        match kind:
            case "Create":
                yield from self._created(statement)
            case "Drop":
                name = _name(statement) if statement.this is not None else _table(statement)
                if name not in self.tables:
                    yield dropped(str(statement.args.get("kind")), name)
            case "Alter":
                yield from self._altered(statement)
            case "Insert" | "Update" | "Delete" | "Merge" | "TruncateTable":
                yield from self._written(kind, statement)
            case "Command":
                yield commanded(f"{statement.this} {statement.expression or ''}")
            case _ if kind in SIMPLE and not _writes(statement):
                yield "additive", "changes nothing that was there"
            case _:
                yield "destructive", f"is a {kind.upper()} that may change anything"

    def _created(self, statement: Statement) -> Iterator[Judgement]:
        what, name = str(statement.args.get("kind")).upper(), _name(statement)
        if what == "TABLE":
            self.tables.add(name)
        if statement.args.get("replace"):
            yield "reversible", f"replaces the {what.lower()} {name}: keep the one before"
        elif what == "INDEX" and statement.args.get("unique") and _table(statement) not in self.tables:
            yield "reversible", f"the unique index {name} refuses what the version before may write"
        elif what == "TRIGGER":
            yield "reversible", f"the trigger {name} acts on what the version before writes"
        else:
            yield "additive", f"creates the {what.lower()} {name}"

    def _altered(self, statement: Statement) -> Iterator[Judgement]:
        table = _name(statement)
        if table in self.tables:
            yield "additive", f"{table} was made here"
            return
        for action in statement.args.get("actions") or []:
            if type(action).__name__ == "ColumnDef":
                self.columns.add((table, str(action.name)))
            yield altered(table, action)
        if not statement.args.get("actions"):
            yield "destructive", f"alters {table} in a way that nobody can tell"

    def _written(self, kind: str, statement: Statement) -> Iterator[Judgement]:
        table = _table(statement)
        if table.rpartition(".")[2] in _OWN or table in self.tables:
            yield "additive", f"{table} is the tool's own, or was made here"
        elif kind == "Insert" and not statement.args.get("conflict"):
            yield "additive", f"adds rows to {table}"
        elif kind == "Update" and self._only_new(table, statement):
            yield "additive", f"fills columns of {table} that were added here"
        else:
            verb = {"Insert": "overwrites rows of", "Update": "overwrites values of"}.get(
                kind, "takes rows away from"
            )
            yield "destructive", f"{verb} {table}"

    def _only_new(self, table: str, statement: Statement) -> bool:
        names = [str(getattr(each.this, "name", "")) for each in statement.args.get("expressions") or []]
        return bool(names) and all((table, name) in self.columns for name in names)


def _writes(statement: Statement) -> bool:
    return any(type(node).__name__ in {"Insert", "Update", "Delete", "Merge"} for node in statement.walk())


def _name(statement: Statement) -> str:
    """Return the name of what a statement is about."""
    from sqlglot import exp  # noqa: PLC0415 -- of an extra

    found = statement.this
    if isinstance(found, (exp.Schema, exp.UserDefinedFunction)):
        found = found.this
    if isinstance(found, exp.Table):
        return ".".join(part.name for part in found.parts)
    return str(getattr(found, "name", "") or "?")


def _table(statement: Statement) -> str:
    """Return the first table that a statement names."""
    from sqlglot import exp  # noqa: PLC0415 -- of an extra

    found = next(iter(statement.find_all(exp.Table)), None)
    return ".".join(part.name for part in found.parts) if found is not None else "?"
