"""What a Dockerfile says of how its image starts: only the instructions that a rollout depends on. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Final

from fairdeploy.compose.parts import Startup

__all__ = ["read_startup"]

_INSTRUCTION: Final = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
_FROM: Final = re.compile(r"(?:--\S+\s+)*(\S+)(?:\s+as\s+(\S+))?\s*", re.IGNORECASE)
_FLAGS: Final = re.compile(r"(?:--\S+\s+)*")


def read_startup(text: str, target: str | None = None) -> Startup:
    """Return how the image of a stage starts.

    Stages build on each other; what a base image from elsewhere says is not known (``None``). Here-documents
    and ``ONBUILD`` are not followed.

    Args:
        text: The Dockerfile.
        target: The stage; ``None``: the last one. One that is not there counts as the last one.
    """
    stages: dict[str, Startup] = {}
    current, name = Startup(), ""
    for word, rest in _instructions(text):
        if word == "FROM":
            if target and name == target.lower():
                break
            current, name = _begin(rest, stages)
        else:
            current = _after(current, word, rest)
        if name:
            stages[name] = current
    return current


def _begin(rest: str, stages: dict[str, Startup]) -> tuple[Startup, str]:
    found = _FROM.fullmatch(rest)
    base, name = (found.group(1), found.group(2)) if found else (rest, None)
    return stages.get(base.lower(), Startup()), (name or f"#{len(stages)}").lower()


def _instructions(text: str) -> list[tuple[str, str]]:
    """Return instructions and what follows them, lines joined, comments gone."""
    found, line = [], ""
    for each in text.splitlines():
        if each.lstrip().startswith("#"):
            continue
        line += each.rstrip()
        if line.endswith("\\"):
            line = line[:-1] + " "
            continue
        if match := _INSTRUCTION.fullmatch(line):
            found.append((match.group(1).upper(), match.group(2).strip()))
        line = ""
    return found


def _after(known: Startup, word: str, rest: str) -> Startup:
    match word:
        case "ENTRYPOINT":
            argv, shell = _arguments(rest)
            # An entrypoint forgets the command of the base image, not that of its own stage before it.
            return replace(known, entrypoint=argv, entrypoint_shell=shell)
        case "CMD":
            argv, shell = _arguments(rest)
            return replace(known, command=argv, command_shell=shell)
        case "HEALTHCHECK":
            return replace(known, healthcheck=_FLAGS.sub("", rest, count=1).upper() != "NONE")
        case "STOPSIGNAL":
            return replace(known, stop_signal=rest)
        case "VOLUME":
            paths, shell = _arguments(rest)
            return replace(known, volumes=(*known.volumes, *(rest.split() if shell else paths)))
        case _:
            return known


def _arguments(rest: str) -> tuple[tuple[str, ...], bool]:
    """Return an argument list, and whether it is in shell form: what is no JSON list of texts, as Docker has it."""
    try:
        words = json.loads(rest)
    except ValueError:
        words = None
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        return tuple(words), False
    return ("/bin/sh", "-c", rest), True
