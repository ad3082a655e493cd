"""The terminal's face: ``fairdeploy ...``, ``python -m fairdeploy ...``.

Thin: what is decided is decided below. This module needs nothing but the standard library, as a console script
cannot ask for an extra: without it, it says how to get it.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fairdeploy.cli.commands import table as _table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_USAGE = 2


def main(words: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status; see `fairdeploy.cli.exit_code.ExitCode`.

    Args:
        words: The arguments; ``None``: those of this process.
    """
    given = list(sys.argv[1:] if words is None else words)
    if given in ([], ["--help"], ["-h"]):
        print(_table.overview())
        return 0
    for needed in ("cyclopts", "rich"):
        if find_spec(needed) is None:
            print(f"the command line needs {needed!r}: pip install 'fairdeploy[cli]'", file=sys.stderr)
            return _USAGE
    from fairdeploy.cli.program import run  # noqa: PLC0415 -- see the module

    return run(given)
