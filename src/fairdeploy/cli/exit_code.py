"""What the exit status says."""

from __future__ import annotations

from enum import IntEnum
from typing import final

from fairdeploy.errors import (
    ConsentRequired,
    DeploymentError,
    FairdeployError,
    InvalidInput,
    Refused,
    RollbackError,
)
from fairdeploy.model import Outcome, RolloutResult

__all__ = ["ExitCode", "of_error", "of_result"]


@final
class ExitCode(IntEnum):
    """Rolled back is told apart from everything else: a pipeline must not be green after it."""

    OK = 0
    """The new version serves and was verified; or what was asked for was told."""
    ERROR = 1
    """Something that is nobody's choice went wrong; the message says what."""
    USAGE = 2
    """The command or the configuration cannot be right; nothing has changed."""
    ROLLED_BACK = 3
    """It went back cleanly: the old version serves."""
    NEEDS_A_PERSON = 4
    """Neither forward nor back was completed, or what serves is not healthy."""
    REFUSED = 5
    """Refused before anything moved: validation, a stale plan, another rollout, no consent."""
    RUNNING = 6
    """Still under way, or paused, when the waiting ended."""
    INTERRUPTED = 130
    """By SIGINT."""
    TERMINATED = 143
    """By SIGTERM."""


_OF_OUTCOME = {
    Outcome.PROMOTED: ExitCode.OK,
    Outcome.ROLLED_BACK: ExitCode.ROLLED_BACK,
    Outcome.ABORTED: ExitCode.ROLLED_BACK,
    Outcome.SUPERSEDED: ExitCode.ROLLED_BACK,
    Outcome.NEEDS_ATTENTION: ExitCode.NEEDS_A_PERSON,
}


def of_result(result: RolloutResult) -> ExitCode:
    """Return the status for the end of a rollout."""
    return _OF_OUTCOME[result.outcome]


def of_error(error: FairdeployError) -> ExitCode:
    """Return the status for an error that fairdeploy raised on purpose."""
    match error:
        case DeploymentError(result=RolloutResult() as result):
            return of_result(result)
        case InvalidInput():
            return ExitCode.USAGE
        case ConsentRequired() | Refused():
            return ExitCode.REFUSED
        case RollbackError():
            return ExitCode.NEEDS_A_PERSON
        case _:
            return ExitCode.ERROR
