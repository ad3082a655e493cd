"""A rollout while it goes on: a line for each event, a document for each, or one tree that is redrawn."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from fairdeploy.cli.tree import Tree
from fairdeploy.model import Progressed, RolloutResult
from fairdeploy.model.canonical import plain
from fairdeploy.model.record import Due, Ended

if TYPE_CHECKING:
    from fairdeploy.cli.output import Output
    from fairdeploy.engine.rollout import Rollout
    from fairdeploy.model import Event

__all__ = ["tell"]


class _Told(Protocol):
    def see(self, event: Event) -> None: ...


async def tell(rollout: Rollout, output: Output, *, since: int = 0) -> RolloutResult:
    """Tell a rollout to its end, and return how it ended."""
    drawing: AbstractContextManager[_Told] = (
        Tree(rollout.plan, rollout.id) if output.live else nullcontext(_Lines(output))
    )
    with drawing as told:
        async for event in rollout.events(since=since):
            told.see(event)
            output.event("event", _document(event))
            if isinstance(event.record, Ended):
                return event.record.result
    return await rollout.result()


class _Lines:
    """A line for each event: what a pipe, a log or a build server can keep."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def see(self, event: Event) -> None:
        if isinstance(event.record, Due) or (
            isinstance(event.record, Progressed) and not self._output.verbose
        ):
            return
        self._output.say(str(event))


def _document(event: Event) -> dict[str, object]:
    record = plain(event.record)
    assert isinstance(record, dict)  # noqa: S101 -- every record is a dataclass
    return {"seq": event.seq, "rollout": event.rollout, "at": event.at.isoformat(), **record}
