"""The memory journal is a model of the durable one: whatever is asked of both, they answer alike."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.from_thread
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fairdeploy.errors import FairdeployError
from fairdeploy.journal import MemoryJournal, SQLiteJournal
from fairdeploy.model import Command, Parked, Progressed, Record, Settled
from tests.journal.conftest import SetClock
from tests.journal.plans import OLD, due, ended, plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.protocols import Journal, Lease

ROLLOUTS = st.sampled_from(["r1", "r2", "r3", "r4"])
HOLDERS = st.sampled_from(["me", "you"])
TTLS = st.sampled_from([1, 1_000, 60_000])
RECORDS: list[Record] = [
    Progressed(step="x", message="y"),
    Parked(),
    due(),
    due("2.0-b"),
    Settled(step=f"due:{OLD}"),
]


class Agreement(RuleBasedStateMachine):
    """Ask both the same, in any order, and close and reopen the durable one in between."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SetClock()
        self.memory = MemoryJournal(self.clock)
        self.leases: list[Lease] = []
        self.closing = ExitStack()
        self.portal = self.closing.enter_context(anyio.from_thread.start_blocking_portal())
        self.folder = Path(tempfile.mkdtemp())

    @initialize()
    def open(self) -> None:
        """Open the durable journal."""
        self.durable = SQLiteJournal(self.folder / "journal.db", self.clock)

    def ask(self, question: Callable[[Journal], Awaitable[object]]) -> object:
        """Return the answer of both, if it is one."""
        answers = [self._answer(question, journal) for journal in (self.memory, self.durable)]
        assert answers[0] == answers[1]
        return answers[0]

    def _answer(self, question: Callable[[Journal], Awaitable[object]], journal: Journal) -> object:
        async def put() -> object:
            return await question(journal)

        try:
            return self.portal.call(put)
        except FairdeployError as error:
            return type(error), str(error)

    def _keep(self, answer: object) -> None:
        if not isinstance(answer, tuple):
            self.leases.append(answer)  # type: ignore[arg-type]  # a lease, or the error as a tuple

    @rule(
        rollout=ROLLOUTS,
        holder=HOLDERS,
        ttl=TTLS,
        apps=st.sets(st.sampled_from("abc"), min_size=1),
    )
    def begin(self, rollout: str, holder: str, ttl: int, apps: set[str]) -> None:
        """Begin a rollout of some targets."""
        self._keep(self.ask(lambda journal: journal.begin(rollout, plan(*sorted(apps)), holder, ttl)))

    @rule(rollout=ROLLOUTS, holder=HOLDERS, ttl=TTLS, dead=st.none() | HOLDERS)
    def take(self, rollout: str, holder: str, ttl: int, dead: str | None) -> None:
        """Take a rollout over."""
        self._keep(self.ask(lambda journal: journal.take(rollout, holder, ttl, reason="because", dead=dead)))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Renew any lease there ever was."""
        lease = data.draw(st.sampled_from(self.leases))
        self._keep(self.ask(lambda journal: journal.renew(lease)))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), records=st.lists(st.sampled_from(RECORDS), max_size=3), end=st.booleans())
    def append(self, data: st.DataObject, records: list[Record], end: bool) -> None:  # noqa: FBT001 -- by name
        """Append under any lease there ever was."""
        lease = data.draw(st.sampled_from(self.leases))
        last = [ended(lease.rollout)] if end else []
        self.ask(lambda journal: journal.append(lease, *records, *last, end=end))

    @rule(
        rollout=ROLLOUTS,
        record=st.sampled_from([Command(verb="pause"), Settled(step=f"due:{OLD}"), Settled(step="x")]),
    )
    def send(self, rollout: str, record: Command | Settled) -> None:
        """Send without a lease."""
        self.ask(lambda journal: journal.send(rollout, record))

    @rule(seconds=st.sampled_from([-3_600, 0.5, 1, 60, 3_600]))
    def wait(self, seconds: float) -> None:
        """Let time pass, or the wall clock jump."""
        self.clock.seconds += seconds

    @rule(rollout=st.none() | ROLLOUTS, since=st.integers(-1, 20))
    def read(self, rollout: str | None, since: int) -> None:
        """Read events from anywhere."""
        self.ask(lambda journal: journal.read(rollout, since=since))

    @rule(app=st.none() | st.sampled_from(["a/production", "z/production"]), unfinished=st.booleans())
    def list(self, app: str | None, unfinished: bool) -> None:  # noqa: FBT001 -- by name
        """List rollouts."""
        self.ask(lambda journal: journal.rollouts(app, unfinished=unfinished))

    @rule()
    def reopen(self) -> None:
        """Close the durable journal and open it again."""
        self.portal.call(self.durable.aclose)
        self.open()

    def teardown(self) -> None:
        """Compare everything there is, and clean up."""
        try:
            self.ask(lambda journal: journal.read())
            self.ask(lambda journal: journal.rollouts())
            self.portal.call(self.durable.aclose)
        finally:
            self.closing.close()
            shutil.rmtree(self.folder)


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=30, stateful_step_count=25)
