"""Programs of the machine, from argument lists and within a time."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import BackendError
from fairdeploy.system import run_to_end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Ran", "has", "run"]

_SECONDS: Final = 60.0
_TAIL: Final = 600


@final
@dataclass(frozen=True, slots=True)
class Ran:
    """What a program left."""

    status: int
    printed: str
    said: str

    def must(self, what: str) -> str:
        """Return what was printed.

        Raises:
            BackendError: If it failed.
        """
        if self.status != 0:
            raise BackendError(f"{what} failed with status {self.status}: {self.said.strip()[-_TAIL:]}")
        return self.printed


def has(program: str) -> bool:
    """Tell whether a program is installed."""
    return shutil.which(program) is not None


async def run(
    argv: Sequence[str], *, deadline: float = _SECONDS, secret: Mapping[str, str] | None = None
) -> Ran:
    """Run a program to its end. Secrets go in by the environment and are taken out of what it said.

    Raises:
        MissingDependency: If it cannot be started.
        DeadlineExceeded: If it takes too long; it is ended.
    """
    env = {**os.environ, "LC_ALL": "C.UTF-8", **(secret or {})}
    done = await run_to_end(argv, within=deadline, env=env, secrets=(secret or {}).values())
    return Ran(done.status, done.printed, done.said)
