"""The schema of the configuration."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated

from cyclopts import Parameter

from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.configuration.schema import schema as of_file

__all__ = ["schema"]


async def schema(
    *, example: Annotated[bool, Parameter(negative="")] = False, shared: SharedOptions = DEFAULTS
) -> ExitCode:
    """Print the JSON schema of fairdeploy.toml, for editors that complete and check it.

    Args:
        example: Print a fairdeploy.toml to begin with instead.
    """
    if example:
        print(files("fairdeploy.configuration").joinpath("example.toml").read_text(encoding="utf-8"), end="")
        return ExitCode.OK
    found = of_file()
    shared.out.result(found, json.dumps(found, indent=2), kind="schema")
    return ExitCode.OK
