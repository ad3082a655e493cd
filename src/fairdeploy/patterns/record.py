"""A recommendation as JSON, and back. What is read is worked out anew: a record cannot claim what the rules do not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import _read
from fairdeploy.patterns.claim import Claim, Source, Status
from fairdeploy.patterns.criteria import CRITERIA
from fairdeploy.patterns.criterion import Criterion, Scale
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.ranges import CostRange, Range
from fairdeploy.patterns.recommender import recommend
from fairdeploy.patterns.requirements import InstitutionRequirements

if TYPE_CHECKING:
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["SCHEMA", "from_json", "pattern_record", "read_criterion", "read_pattern", "to_json"]

SCHEMA = "fairdeploy.recommendation/1"
_LARGEST = 1 << 20
_BUILT_IN = {criterion.key: criterion for criterion in CRITERIA}


def to_json(advice: Recommendation) -> str:
    """Return a recommendation as JSON, with everything that it was made from.

    Raises:
        InvalidInput: If a criterion of your own is a function.
    """
    record = {
        "schema": SCHEMA,
        "catalogue": {"version": advice.catalogue, "date": advice.date.isoformat()},
        "requirements": advice.requirements.record(),
        "weights": dict(advice.weights),
        "criteria": [_criterion_record(each) for each in advice.criteria],
        "patterns": {key: pattern_record(pattern) for key, pattern in advice.patterns.items()},
        "result": _result(advice),
    }
    return json.dumps(record, ensure_ascii=False, indent=1)


def from_json(text: str, *, criteria: Sequence[Criterion] = ()) -> Recommendation:
    """Return what `to_json` wrote.

    Raises:
        InvalidInput: If it cannot be read, or comes to another result with these rules.
    """
    record = _loaded(text)
    if record.get("schema") != SCHEMA:
        raise InvalidInput(f"schema is {record.get('schema')!r}: this version reads {SCHEMA!r}")
    given = {each.key: each for each in criteria}
    advice = recommend(
        InstitutionRequirements.read(_mapping(record, "requirements")),
        weights={str(key): _number(value, key) for key, value in _mapping(record, "weights").items()},
        patterns={
            str(key): read_pattern(each, str(key)) for key, each in _mapping(record, "patterns").items()
        },
        criteria=[read_criterion(each, given) for each in _list(record, "criteria")],
    )
    catalogue, result = _mapping(record, "catalogue"), _mapping(record, "result")
    ours = {"version": advice.catalogue, "date": advice.date.isoformat()}
    if catalogue != ours or result != _result(advice):
        raise InvalidInput(
            f"the record is of catalogue {dict(catalogue)!r} with result {dict(result)!r}; the rules of {ours!r} come to "
            f"{_result(advice)!r}: make the recommendation anew from its requirements"
        )
    return advice


def _result(advice: Recommendation) -> dict[str, object]:
    return {
        "winners": [each.key for each in advice.winners],
        "totals": {each.key: each.percent for each in advice.assessments},
        "excluded": sorted(each.key for each in advice.excluded),
    }


def _criterion_record(criterion: Criterion) -> object:
    if _BUILT_IN.get(criterion.key) == criterion:
        return criterion.key
    plain = {"key": criterion.key, "title": criterion.title, "weight": criterion.weight}
    if isinstance(criterion.grade, Scale):
        scale = criterion.grade
        ends = (
            {"worst": scale.worst, "best": scale.best}
            if scale.grades is None
            else {"grades": dict(scale.grades)}
        )
        return {**plain, "scale": {"attribute": scale.attribute, **ends}}
    return {**plain, "function": True}


def read_criterion(record: object, given: Mapping[str, Criterion]) -> Criterion:
    """Return a criterion from its name or its record; one that is a function must be given.

    Raises:
        InvalidInput: If it cannot be read, or is not given.
    """
    if isinstance(record, str) and record in _BUILT_IN:
        return _BUILT_IN[record]
    if not isinstance(record, Mapping):
        raise InvalidInput(
            f"criteria cannot hold {record!r}: choose from {', '.join(map(repr, _BUILT_IN))}, or describe one"
        )
    key = record.get("key")
    if isinstance(key, str) and key in given:
        return given[key]
    scale = record.get("scale")
    if not isinstance(scale, Mapping):
        raise InvalidInput(
            f"criterion {key!r} is a function: give it again with 'criteria=[...]', or describe a 'scale'"
        )
    _only(record, {"key", "title", "weight", "scale"}, f"criterion {key!r}")
    _only(scale, {"attribute", "grades", "worst", "best"}, f"the scale of {key!r}")
    grades = scale.get("grades")
    if grades is not None and not isinstance(grades, Mapping):
        raise InvalidInput(f"grades of {key!r} must map values to numbers, not {grades!r}")
    read = Scale(
        _read.text(scale.get("attribute"), f"attribute of {key!r}"),
        grades,
        scale.get("worst"),
        scale.get("best"),
    )
    return Criterion(
        str(key), str(record.get("title", key)), _number(record.get("weight", 1), f"weight of {key!r}"), read
    )


def pattern_record(pattern: DeploymentPattern) -> dict[str, object]:
    """Return a pattern as JSON can hold it; what is unknown stays out."""
    found = {each.name: _plain(getattr(pattern, each.name)) for each in fields(pattern)}
    found["compliance_support"] = [_claim_record(each) for each in pattern.compliance_support.values()]
    return {name: value for name, value in found.items() if value is not None and value != {}}


def _claim_record(claim: Claim) -> dict[str, object]:
    sources = [
        {"title": each.title, "address": each.address, "date": each.date.isoformat()}
        for each in claim.sources
    ]
    record = {
        "regime": claim.regime,
        "status": claim.status.value,
        "conditions": list(claim.conditions),
        "note": claim.note,
    }
    return {name: value for name, value in {**record, "sources": sources}.items() if value}


def _plain(value: object) -> object:
    match value:
        case Enum():
            return value.name.lower().replace("_", " ")
        case CostRange():
            return str(value)
        case Range():
            return [value.low, value.likely, value.high]
        case Mapping():
            return dict(value)
        case _:
            return value


def read_pattern(record: object, key: str) -> DeploymentPattern:
    """Return a pattern from its record, as JSON or YAML holds it.

    Raises:
        InvalidInput: If a field is missing, unknown, or cannot be read; the message names the pattern.
    """
    if not isinstance(record, Mapping):
        raise InvalidInput(f"pattern {key!r} must map fields to values, not {record!r}")
    known = {each.name for each in fields(DeploymentPattern)}
    _only(record, known, f"pattern {key!r}")
    missing = sorted(_needed() - set(record))
    if missing:
        raise InvalidInput(f"pattern {key!r} needs {missing[0]!r}, which is not given")
    try:
        claims = [_read_claim(each) for each in _list(record, "compliance_support")]
        return DeploymentPattern(**{**record, "compliance_support": claims})
    except InvalidInput as error:
        raise InvalidInput(f"pattern {key!r}: {error}") from error


def _needed() -> set[str]:
    names = [each.name for each in fields(DeploymentPattern)]
    return set(names[: names.index("data_location")])


def _read_claim(record: object) -> Claim:
    if not isinstance(record, Mapping):
        return Claim.read(record)
    _only(record, {"regime", "status", "conditions", "note", "sources"}, "a claim")
    sources = [_read_source(each) for each in _list(record, "sources")] if "sources" in record else []
    conditions = tuple(map(str, _list(record, "conditions"))) if "conditions" in record else ()
    status = _read.choice(record.get("status"), Status, "status of a claim")
    return Claim(str(record.get("regime")), status, conditions, str(record.get("note", "")), tuple(sources))


def _read_source(record: object) -> Source:
    if not isinstance(record, Mapping) or set(record) != {"title", "address", "date"}:
        raise InvalidInput(f"a source needs title, address and date, not {record!r}")
    return Source(record["title"], record["address"], record["date"])


def _loaded(text: str) -> Mapping[str, object]:
    if not isinstance(text, str) or len(text) > _LARGEST:
        raise InvalidInput("a recommendation must be a text of at most 1 MiB")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"a recommendation must be JSON: {error}") from error
    if not isinstance(record, Mapping):
        raise InvalidInput(f"a recommendation must be a JSON object, not {type(record).__name__}")
    return record


def _mapping(record: Mapping[str, object], field: str) -> Mapping[str, object]:
    value = record.get(field)
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{field} must be an object, not {value!r}")
    return value


def _list(record: Mapping[str, object], field: str) -> Sequence[object]:
    value = record.get(field)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidInput(f"{field} must be a list, not {value!r}")
    return value


def _number(value: object, field: object) -> float:
    if isinstance(value, str):
        raise InvalidInput(f"{field} must be a number, not {value!r}")
    return _read.number(value, str(field), high=1e9)


def _only(record: Mapping[str, object], known: set[str], what: str) -> None:
    unknown = sorted(str(name) for name in record if name not in known)
    if unknown:
        raise InvalidInput(f"{what} has no field {unknown[0]!r}: choose from {', '.join(sorted(known))}")
