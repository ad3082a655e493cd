"""Recommend how to host."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import anyio

from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.errors import InvalidInput
from fairdeploy.patterns.recommender import recommend as recommended
from fairdeploy.patterns.requirements import InstitutionRequirements

__all__ = ["recommend"]

_LARGEST = 1 << 20


async def recommend(
    *answers: str,
    file: Path | None = None,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Recommend how to host, with reasons.

    fairdeploy recommend budget=low expertise=basic expected_growth=low data_sovereignty=yes compliance=GDPR

    Args:
        answers: field=answer, such as budget=low; several rules with commas: compliance=GDPR,HIPAA.
        file: Answers as TOML; those on the command line count more.
    """
    given: dict[str, object] = dict(await _read(file)) if file else {}
    for answer in answers:
        name, sign, value = answer.partition("=")
        if not sign:
            raise InvalidInput(f"{answer!r} is no answer: write field=answer, such as budget=low")
        given[name.strip().replace("-", "_")] = value.split(",") if name == "compliance" else value
    advice = recommended(InstitutionRequirements.read(given))
    if shared.output == "text":
        shared.out.result({}, advice if not shared.quiet else advice.summary())
    else:
        document: dict[str, object] = json.loads(advice.to_json())
        shared.out.result(document, "", kind="recommendation")
    return ExitCode.OK


async def _read(path: Path) -> dict[str, object]:
    try:
        content = await anyio.Path(path).read_bytes()
        if len(content) > _LARGEST:
            raise InvalidInput(f"answers {str(path)!r} are larger than 1 MiB")
        return tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"answers {str(path)!r} cannot be read as TOML: {error}") from error
