"""What single statements do to the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from fairdeploy.model import MigrationClass

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["SIMPLE", "Judgement", "altered", "commanded", "dropped"]

Judgement: TypeAlias = tuple[MigrationClass, str]

SIMPLE: Final = frozenset({"Select", "Set", "Transaction", "Commit", "Comment", "Grant", "Semicolon"})
"""Statements that change nothing which the version before relies on."""
_EMPTY: Final = frozenset(
    {"INDEX", "VIEW", "FUNCTION", "PROCEDURE", "TRIGGER", "CONSTRAINT", "POLICY", "RULE"}
)
"""What holds nothing by itself, so that a statement brings it back."""
_COMMANDS: Final[tuple[tuple[tuple[str, ...], Judgement], ...]] = (
    (("ALTER TYPE", "ADD VALUE"), ("additive", "adds a value to a type; it stays for good")),
    (("CREATE EXTENSION",), ("additive", "adds an extension")),
    (("ANALYZE",), ("additive", "changes nothing that was there")),
    (("REVOKE",), ("reversible", "takes a right away that the version before may need")),
    (("CREATE POLICY",), ("reversible", "a policy hides rows from the version before")),
    (("ROW LEVEL SECURITY",), ("reversible", "row level security hides rows from the version before")),
    (("OWNER TO",), ("reversible", "changes an owner")),
    (("VALIDATE CONSTRAINT",), ("additive", "validates a constraint that is there")),
    (("RENAME",), ("reversible", "renames what the version before names")),
    (("SET SCHEMA",), ("reversible", "moves what the version before names")),
)


def commanded(text: str) -> Judgement:
    """Return what a statement is that the parser passes on as it stands."""
    upper = " ".join(text.upper().split())
    for words, judgement in _COMMANDS:
        if all(word in upper for word in words):
            return judgement
    return "destructive", f"is a {' '.join(upper.split()[:2])} of which nobody can tell what it does"


def dropped(kind: str, name: str) -> Judgement:
    """Return what a DROP is."""
    if kind.upper() in _EMPTY:
        return "reversible", f"drops the {kind.lower()} {name}: keep what made it"
    return "destructive", f"drops the {kind.lower()} {name}, and what is in it"


def altered(table: str, action: exp.Expr) -> Judgement:
    """Return what one action of an ALTER TABLE is."""
    match type(action).__name__:
        case "ColumnDef":
            return _added(table, action)
        case "Drop":
            column = next((str(each.name) for each in action.args.get("tables") or []), "?")
            return dropped(str(action.args.get("kind")), f"{table}.{column}")
        case "RenameColumn" | "AlterRename":
            return "reversible", f"renames {table}, or a column of it, which the version before names"
        case "AlterColumn":
            return _column(table, action)
        case "AddConstraint":
            return "reversible", f"a constraint on {table} refuses what the version before may write"
        case other:
            return "destructive", f"alters {table} ({other}) in a way that nobody can tell"


def _added(table: str, action: exp.Expr) -> Judgement:
    said = [each.args.get("kind") for each in action.args.get("constraints") or []]
    # `NULL`, as Django writes it, is read as a NOT NULL that allows it.
    kinds = {type(kind).__name__ for kind in said if kind is None or not kind.args.get("allow_null")}
    required = "NotNullColumnConstraint" in kinds or "PrimaryKeyColumnConstraint" in kinds
    given = kinds & {
        "DefaultColumnConstraint",
        "GeneratedAsIdentityColumnConstraint",
        "ComputedColumnConstraint",
    }
    if required and not given:
        return (
            "reversible",
            f"the version before does not know the column {table}.{action.name}, which must have a value",
        )
    return "additive", f"adds the column {table}.{action.name}"


def _column(table: str, action: exp.Expr) -> Judgement:
    where = f"{table}.{action.name}"
    if action.args.get("dtype"):
        return "destructive", f"changes the type of {where}: the values before may not come back"
    if action.args.get("allow_null"):
        return "additive", f"{where} may be empty"
    if action.args.get("default"):
        return "additive", f"{where} gets a default"
    if action.args.get("drop"):
        return "reversible", f"{where} loses its default, which the version before may need"
    return "reversible", f"{where} must have a value, which the version before may not give"
