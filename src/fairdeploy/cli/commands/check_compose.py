"""Judge a Compose file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.output import document
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.compose import check_compose as judged, read_compose

__all__ = ["check_compose"]


async def check_compose(
    *files: Path,
    stateful: Annotated[tuple[str, ...], Parameter(name="--stateful", negative="")] = (),
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Say of each service whether it can be replaced without downtime, why not, and what to do.

    Starts nothing. Exits with 5 if no service can, or something blocks one that should.

    Args:
        files: Compose files, merged as Docker merges them; default: those of this folder.
        stateful: Services with data of their own that may be rolled all the same.
    """
    report = judged(await read_compose([str(file) for file in files] or "."), stateful=stateful)
    shared.out.result({**document(report), "can_roll": report.can_roll}, report, kind="compose")
    return ExitCode.OK if report.can_roll else ExitCode.REFUSED
