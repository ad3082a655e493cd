"""The JSON schema of the configuration, for editors that complete and check it."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

from fairdeploy.configuration.file import FILE
from fairdeploy.configuration.strategy import KINDS
from fairdeploy.configuration.values import CHECKS, PROBES
from fairdeploy.model import Check, Release, Target

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of ``fairdeploy.toml``."""
    from pydantic import TypeAdapter  # noqa: PLC0415 -- 200-300 ms that only this needs

    definitions: dict[str, Any] = {}
    parts: dict[str, Any] = {"check": Check, "release": Release, "target": Target}
    for name, of in parts.items():
        made: dict[str, Any] = TypeAdapter[Any](of).json_schema(ref_template="#/$defs/{model}")
        definitions |= made.pop("$defs", {})
        definitions[name] = made
    for of in (*CHECKS.values(), *PROBES.values()):
        if of.__name__ in definitions:
            definitions[of.__name__]["required"] = ["kind", *_needed(of)]
    definitions["SecretRef"] = _secret()
    names = {"type": "array", "items": {"type": "string"}}
    target = definitions["target"]
    target["properties"] |= {
        "backend": {"type": "string"},
        "checks": names,
        "release": {"$ref": "#/$defs/release"},
        "strategy": {"type": "string"},
    }
    target["required"] = ["backend"]
    properties = {
        "assistants": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"apply": names, "targets": names},
        },
        "backends": _by_name({"type": "string", "format": "uri"}),
        "bindings": {"type": "string"},
        "checks": _by_name({"$ref": "#/$defs/check"}),
        "provision": _by_name(
            {
                "type": "object",
                "properties": {"kind": {"enum": ["aws", "on-premise"]}},
                "required": ["kind"],
            }
        ),
        "strategies": _by_name({"oneOf": [_strategy(kind, of) for kind, of in KINDS.items()]}),
        "targets": _by_name({"$ref": "#/$defs/target"}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FILE,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": definitions,
    }


def _needed(of: Any) -> list[str]:  # noqa: ANN401 -- any class of the model
    """Name what a constructor needs: a record holds everything, a file only what differs."""
    parameters = inspect.signature(of).parameters
    return [
        name for name, each in parameters.items() if each.default is inspect.Parameter.empty and name != "_"
    ]


def _strategy(kind: str, of: Any) -> dict[str, Any]:  # noqa: ANN401 -- any strategy
    settings: dict[str, Any] = {each.name: {} for each in fields(of)}
    settings |= {"kind": {"const": kind}, "approved": {"type": "boolean"}}
    return {"type": "object", "properties": settings, "required": ["kind"], "additionalProperties": False}


def _secret() -> dict[str, Any]:
    one = [
        {"type": "object", "properties": {key: {"type": "string"}}, "required": [key]}
        for key in ("env", "file")
    ]
    return {"oneOf": [{**each, "additionalProperties": False} for each in one]}


def _by_name(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of}
