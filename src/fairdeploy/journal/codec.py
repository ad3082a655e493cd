"""How records are written and read back. The one codec of every durable journal.

Writing needs the standard library only. Reading needs pydantic, whose import and first
schema take some 300 ms: it happens on first use, in the thread that reads.
"""

from __future__ import annotations

import json
import threading
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from fairdeploy.errors import InvalidInput, RecordError
from fairdeploy.model import SCHEMA, Due, Plan, Record, RolloutResult
from fairdeploy.model.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import TypeAdapter

__all__ = ["VERSION", "dues", "encode", "encode_plan", "plan", "prove", "record", "result"]

VERSION = 1
"""Of the records written here. A newer one is refused, never guessed at."""

_building = threading.Lock()
T = TypeVar("T")


def encode(value: Record | RolloutResult | Sequence[Due]) -> str:
    """Return the text of a record, or part of one.

    Halves of surrogate pairs, such as a log line in another encoding leaves behind, are
    replaced by ``?``: no reader would take them.

    Raises:
        InvalidInput: If it holds something that a record cannot hold.
    """
    text = _text(value)
    return _whole(text) if "\\ud" in text else text


def encode_plan(value: Plan) -> str:
    """Return the text of a plan. Nothing in it is replaced: it has been approved as it is.

    Raises:
        InvalidInput: If it holds something that a record cannot hold, or that is no text.
    """
    text = _text(value)
    if "\\ud" in text and json.loads(_whole(text)) != json.loads(text):
        raise InvalidInput(
            f"the plan by {value.strategy!r} holds text that is not Unicode: mend the release's command, env or config"
        )
    return text


def prove(value: Plan) -> None:
    """Do nothing if a plan can be read again once it is written: one that cannot would close the journal to all.

    Raises:
        InvalidInput: If a value in it is of a type that no reader takes; the message says where.
    """
    from pydantic import ValidationError  # noqa: PLC0415 -- see `_adapters`

    text = encode_plan(value)
    with _building:
        adapter = _adapters()["plan"]
    try:
        adapter.validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        where, why = ".".join(str(part) for part in found["loc"]), found["msg"]
        pass_on = InvalidInput(
            f"the plan by {value.strategy!r} holds something of a wrong type at {where!r} ({why}): "
            "mend the release, target, check or strategy that it came from"
        )
    else:
        return
    raise pass_on from None


def record(text: str, version: int, where: str) -> Record:
    """Return a record from its text.

    Args:
        text: As `encode` returned it.
        version: `VERSION` of the program that wrote it.
        where: What it is, for the message.

    Raises:
        RecordError: If it cannot be understood. The text is never shown.
    """
    if version > VERSION:
        raise RecordError(
            f"{where} was written by a newer fairdeploy (records of version {version}, this one reads up to {VERSION}): "
            "upgrade fairdeploy"
        )
    made: Record = _decode("record", text, where)
    return made


@lru_cache(maxsize=256)
def plan(text: str, where: str) -> Plan:
    """Return a plan from its text.

    Raises:
        RecordError: If it cannot be understood, or is of a newer schema. The text is never shown.
    """
    schema = _schema(text)
    if schema is not None and schema > SCHEMA:
        raise RecordError(
            f"{where} is of a newer fairdeploy (plans of schema {schema}, this one reads up to {SCHEMA}): upgrade fairdeploy"
        )
    made: Plan = _decode("plan", text, where)
    return made


@lru_cache(maxsize=1024)
def result(text: str, where: str) -> RolloutResult:
    """Return a result from its text.

    Raises:
        RecordError: If it cannot be understood. The text is never shown.
    """
    made: RolloutResult = _decode("result", text, where)
    return made


def dues(text: str, where: str) -> tuple[Due, ...]:
    """Return what is due from its text.

    Raises:
        RecordError: If it cannot be understood. The text is never shown.
    """
    made: tuple[Due, ...] = () if text == "[]" else _decode("dues", text, where)
    return made


def _text(value: object) -> str:
    try:
        return canonical(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"a {type(value).__name__} cannot be recorded: {error}") from None


def _whole(text: str) -> str:
    """Return a JSON text without halves of surrogate pairs."""
    plain = json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return plain.encode("utf-8", "replace").decode("utf-8")


def _schema(text: str) -> int | None:
    """Return a plan's schema, if it says one in the form that all of them will have."""
    try:
        schema = json.loads(text)["schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return schema if isinstance(schema, int) else None


def _decode(kind: str, text: str, where: str) -> Any:  # noqa: ANN401 -- callers name the type that `kind` stands for
    with _building:
        adapter = _adapters()[kind]
    try:
        return adapter.validate_json(text)
    except Exception:  # noqa: BLE001 -- whatever a reader trips over may show the text, secrets and all
        pass_on = RecordError(
            f"{where} is not a {kind} that this fairdeploy understands: it is damaged, or was written by another version"
        )
    raise pass_on from None


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- 200-300 ms that only reading needs

    return {
        "record": TypeAdapter(Record),
        "plan": TypeAdapter(Plan),
        "result": TypeAdapter(RolloutResult),
        "dues": TypeAdapter(tuple[Due, ...]),
    }
