"""How a rollout's end is told: what happened, what serves, what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.cli.exit_code import ExitCode, of_result
from fairdeploy.cli.output import document
from fairdeploy.model import Outcome

if TYPE_CHECKING:
    from fairdeploy.cli.output import Output
    from fairdeploy.configuration.session import Session
    from fairdeploy.model import RolloutResult

__all__ = ["ended"]


async def ended(session: Session, result: RolloutResult, output: Output, *, back: bool = False) -> ExitCode:
    """Print a rollout's end with the words of what decided it, and return the exit status.

    Args:
        session: Whose target.
        result: How it ended.
        output: How to tell it.
        back: Whether it was itself a way back: then none leads back from it by itself.
    """
    output.result({**document(result), "exit_code": int(of_result(result))}, f"{session.name}: {result}")
    for words in _next(session.name, result, back=back):
        output.say(words)
    return of_result(result)


def _next(name: str, result: RolloutResult, *, back: bool) -> list[str]:
    match result.outcome:
        case Outcome.PROMOTED if back:
            return [f"what was there: fairdeploy history {name}"]
        case Outcome.PROMOTED:
            return [f"back again: fairdeploy rollback {name}"]
        case Outcome.NEEDS_ATTENTION:
            return [
                f"look: fairdeploy status {name}",
                f"then: fairdeploy recover, or fairdeploy rollback {name}",
            ]
        case _:
            return [f"all of it: fairdeploy watch {name} --rollout {result.rollout}"]
