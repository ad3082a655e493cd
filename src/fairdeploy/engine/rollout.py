"""A rollout in anybody's hands: read from the journal, steered through it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, final

from fairdeploy.engine.feed import feed_of
from fairdeploy.engine.holder import who
from fairdeploy.errors import Refused
from fairdeploy.model import Command, Ended, Event, Plan, RolloutId, RolloutResult

if TYPE_CHECKING:
    from typing import Literal, Self

    from fairdeploy.protocols import Journal

__all__ = ["Events", "Rollout"]


@final
class Rollout:
    """One execution of a plan, wherever it runs.

    Got from `Deployer.run` or `Deployer.attach`; holds nothing that must be closed. Commands
    are written to the journal and obeyed by whichever process drives the rollout, as a rule
    within a tenth of a second.
    """

    def __init__(self, rollout_id: RolloutId, plan: Plan, journal: Journal) -> None:
        """Refer to a rollout of a journal."""
        self._id = rollout_id
        self._plan = plan
        self._journal = journal

    def __repr__(self) -> str:
        """Return id and strategy; how it is going is in the journal."""
        return f"<Rollout {self._id} ({self._plan.strategy})>"

    @property
    def id(self) -> RolloutId:
        """Its id, for `Deployer.attach`."""
        return self._id

    @property
    def plan(self) -> Plan:
        """Its plan."""
        return self._plan

    def events(self, *, since: int = 0) -> Events:
        """Return its events, those already written first, until it has ended.

        A cursor over the journal: it can be left at any time and taken up again with the last
        event's ``seq``, from any process. Nothing is lost and nothing has to be closed.

        Args:
            since: Only those after this position.
        """
        return Events(self._id, self._journal, since)

    async def result(self) -> RolloutResult:
        """Wait for the end and return it. A rollback is a result, not an exception."""
        since = 0
        while True:
            for event in await feed_of(self._journal).after(self._id, since, kind="ended"):
                since = event.seq
                if isinstance(event.record, Ended):
                    return event.record.result

    async def pause(self, reason: str = "") -> None:
        """Stop before the next step and stop the bake clock. Guards go on watching.

        Raises:
            Refused: If it has ended.
        """
        await self._send("pause", reason)

    async def resume(self, reason: str = "") -> None:
        """End a pause.

        Raises:
            Refused: If it has ended.
        """
        await self._send("resume", reason)

    async def promote(self, *, full: bool = False, reason: str = "") -> None:
        """End the present bake, approval or pause; with ``full``, also all that are left.

        Guards still count: a verdict that convicts sends it back even so.

        Raises:
            Refused: If it has ended.
        """
        await self._send("promote", reason, full=full)

    async def abort(self, reason: str = "", *, hold: bool = False) -> None:
        """Go back to the base. Wait for `result` to know that it is back.

        Args:
            reason: For the record.
            hold: Whether nothing new may begin at its targets from now on; see `RollbackManager.release_hold`.

        Raises:
            Refused: If it has ended.
        """
        await self._send("abort", reason, hold=hold)

    async def _send(
        self,
        verb: Literal["pause", "resume", "promote", "abort"],
        reason: str,
        *,
        full: bool = False,
        hold: bool = False,
    ) -> None:
        events = await self._journal.read(self._id)
        for event in events:
            if isinstance(event.record, Ended):
                outcome = event.record.result.outcome
                msg = f"rollout {self._id!r} has ended ({outcome}): there is nothing to {verb}"
                raise Refused(msg)
        command = Command(verb=verb, full=full, hold=hold, reason=reason, by=who())
        await self._journal.send(self._id, command)
        feed_of(self._journal).wake()


@final
class Events:
    """An asynchronous iterator over a rollout's events. Ends after `Ended`."""

    def __init__(self, rollout: RolloutId, journal: Journal, since: int) -> None:
        """Begin after a position."""
        self._rollout = rollout
        self._journal = journal
        self._since = since
        self._read: deque[Event] = deque()
        self._begun = False
        self._ended = False

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event, waiting for it if need be.

        Raises:
            StopAsyncIteration: After the end.
            JournalError: If the journal cannot be read.
        """
        if not self._begun:
            await self._begin()
        if not self._read:
            if self._ended:
                raise StopAsyncIteration
            self._read.extend(await feed_of(self._journal).after(self._rollout, self._since))
        event = self._read.popleft()
        self._since = event.seq
        self._ended = self._ended or isinstance(event.record, Ended)
        return event

    async def _begin(self) -> None:
        """Find out whether the end was before the beginning: nothing would follow for ever."""
        if self._since:
            before = await self._journal.read(self._rollout)
            self._ended = any(isinstance(e.record, Ended) and e.seq <= self._since for e in before)
        self._begun = True
