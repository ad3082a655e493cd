"""Patterns and criteria from YAML: safe, bounded, without aliases and without keys that stand twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns._extra import needed
from fairdeploy.patterns.criterion import Criterion
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.record import read_criterion, read_pattern
from fairdeploy.patterns.requirements import InstitutionRequirements

__all__ = ["Catalogue", "read_catalogue", "read_requirements"]

_LARGEST = 1 << 20
_DEEPEST = 50


@final
@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a file of your own holds.

    Args:
        patterns: Patterns by key.
        criteria: Criteria; names of the catalogue's own among them.
    """

    patterns: Mapping[str, DeploymentPattern]
    criteria: tuple[Criterion, ...]


def read_catalogue(text: str) -> Catalogue:
    """Return patterns and criteria from YAML with the keys ``patterns`` and ``criteria``, both optional.

    Raises:
        InvalidInput: If it is too large or too deep, holds an alias or a key twice, or cannot be read.
        MissingDependency: Without the extra ``yaml``.
    """
    content = _read_mapping(text)
    unknown = sorted(map(str, set(content) - {"patterns", "criteria"}))
    if unknown:
        raise InvalidInput(f"a catalogue has no key {unknown[0]!r}: choose from 'patterns', 'criteria'")
    patterns, criteria = content.get("patterns") or {}, content.get("criteria") or []
    if not isinstance(patterns, Mapping) or not isinstance(criteria, list):
        raise InvalidInput("a catalogue maps 'patterns' to patterns by key, and 'criteria' to a list")
    read = {str(key): read_pattern(record, str(key)) for key, record in patterns.items()}
    return Catalogue(read, tuple(read_criterion(record, {}) for record in criteria))


def read_requirements(text: str) -> InstitutionRequirements:
    """Return requirements from YAML that maps fields to answers.

    Raises:
        InvalidInput: If it is too large or too deep, holds an alias or a key twice, or cannot be read.
        MissingDependency: Without the extra ``yaml``.
    """
    return InstitutionRequirements.read({str(key): value for key, value in _read_mapping(text).items()})


def _read_mapping(text: str) -> Mapping[object, object]:
    if not isinstance(text, str) or len(text.encode(errors="replace")) > _LARGEST:
        raise InvalidInput("YAML must be a text of at most 1 MiB")
    yaml = needed("ruamel.yaml", "yaml")
    try:
        _refuse_bombs(yaml.YAML(typ="safe", pure=True).parse(StringIO(text)))
        loader = yaml.YAML(typ="safe", pure=True)
        loader.allow_duplicate_keys = False
        content = loader.load(text)
    except InvalidInput:
        raise
    except (
        yaml.error.YAMLError,
        ValueError,
        TypeError,
        ArithmeticError,
        LookupError,
        RecursionError,
    ) as error:
        # Its constructors pass on what Python says of a thirteenth month or a number of 5,000 digits.
        said = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InvalidInput(f"YAML cannot be read: {said}{_place(error)}") from error
    if not isinstance(content, Mapping):
        raise InvalidInput(f"YAML must map keys to values, not hold {type(content).__name__}")
    return content


def _refuse_bombs(events: Iterator[object]) -> None:
    """Refuse what is small to write and large to read, before anything is built."""
    depth = 0
    for event in events:
        name = type(event).__name__
        line = getattr(getattr(event, "start_mark", None), "line", -1) + 1
        if name == "AliasEvent" or getattr(event, "anchor", None):
            raise InvalidInput(
                f"YAML line {line} holds an anchor or alias: write the value out where it is used"
            )
        if getattr(event, "tag", None):
            raise InvalidInput(f"YAML line {line} holds a tag: write plain values")
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > _DEEPEST:
            raise InvalidInput(f"YAML line {line} is more than {_DEEPEST} levels deep")


def _place(error: object) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark is not None else ""
