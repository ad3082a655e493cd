"""The memory journal is a model of the durable ones: whatever is asked of all, they answer alike."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import anyio.from_thread
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fairdeploy.errors import FairdeployError
from fairdeploy.journal import MemoryJournal, SQLiteJournal, export, fill
from fairdeploy.journal.postgres import PostgresJournal
from fairdeploy.model import Command, Noted, Parked, Progressed, Record, Settled, Unfenced
from fairdeploy.protocols import Archive, Journal
from tests.journal.conftest import SetClock
from tests.journal.plans import OLD, due, ended, plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from fairdeploy.protocols import Lease
    from tests.postgres import PostgresServer

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


class Keeping(Journal, Archive, Protocol):
    """Everything that can be asked of a journal."""


async def exported(journal: Keeping) -> tuple[str, ...]:
    """Return a journal's export."""
    return tuple([line async for line in export(journal)])


async def _events(journal: Keeping) -> object:
    return await journal.read()


async def _rollouts(journal: Keeping) -> object:
    return await journal.rollouts()


class Agreement(RuleBasedStateMachine):
    """Ask all the same, in any order, and close or crash and reopen the durable ones in between."""

    server: ClassVar[PostgresServer]
    schemas: ClassVar[Iterator[int]] = count(1)

    def __init__(self) -> None:
        super().__init__()
        self.clock = SetClock()
        self.memory = MemoryJournal(self.clock)
        self.leases: list[Lease] = []
        self.closing = ExitStack()
        self.portal = self.closing.enter_context(anyio.from_thread.start_blocking_portal())
        self.folder = Path(tempfile.mkdtemp())
        self.files = count(1)
        self.path = self.folder / "journal.db"
        self.schema = f"run_{next(self.schemas)}"

    @initialize()
    def open(self) -> None:
        """Open the durable journals."""
        self.opened = ExitStack()
        file = SQLiteJournal.open(self.path, self.clock)
        tables = PostgresJournal.open(self.server.dsn(), schema=self.schema, clock=self.clock)
        self.sqlite = self.opened.enter_context(self.portal.wrap_async_context_manager(file))
        self.postgres = self.opened.enter_context(self.portal.wrap_async_context_manager(tables))

    def ask(self, question: Callable[[Keeping], Awaitable[object]]) -> object:
        """Return the answer of all, if it is one."""
        journals: list[Keeping] = [self.memory, self.sqlite, self.postgres]
        first, *others = [self._answer(question, journal) for journal in journals]
        assert others == [first, first]
        return first

    def _answer(self, question: Callable[[Keeping], Awaitable[object]], journal: Keeping) -> object:
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
        record=st.sampled_from(
            [
                Command(verb="pause"),
                Settled(step=f"due:{OLD}"),
                Settled(step="x"),
                Noted(topic="hold"),
                Settled(step="due:shop/production:hold"),
            ]
        ),
    )
    def send(self, rollout: str, record: Unfenced) -> None:
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
    def overview(self, app: str | None, unfinished: bool) -> None:  # noqa: FBT001 -- by name
        """List rollouts."""
        self.ask(lambda journal: journal.rollouts(app, unfinished=unfinished))

    @rule(rollouts=st.lists(ROLLOUTS, unique=True))
    def forget(self, rollouts: list[str]) -> None:
        """Remove what is finished of some rollouts."""
        self.ask(lambda journal: journal.forget(rollouts))

    @rule()
    def copy(self) -> None:
        """Fill new journals with what there is: they hold the same."""
        lines = self.ask(exported)
        assert isinstance(lines, tuple)
        copy = MemoryJournal(self.clock)
        self.portal.call(fill, copy, lines)
        for question in (_events, _rollouts):
            assert self._answer(question, copy) == self._answer(question, self.memory)

    @rule()
    def reopen(self) -> None:
        """Close the durable journals and open them again."""
        self.opened.close()
        self.open()

    @rule()
    def crash(self) -> None:
        """Go on with what a program leaves that is killed: the file with its log as they are, and no connection."""
        folder = self.folder / str(next(self.files))
        folder.mkdir(mode=0o700)
        for each in self.path.parent.glob("journal.db*"):
            shutil.copy2(each, folder)
        self.server.sql(_KILL.format(schema=self.schema))
        self.opened.close()
        self.path = folder / "journal.db"
        self.open()

    @rule()
    def cut(self) -> None:
        """Cut the connections, and go on with the same journal."""
        self.server.sql(_KILL.format(schema=self.schema))

    def teardown(self) -> None:
        """Compare everything there is, and clean up."""
        try:
            self.ask(lambda journal: journal.read())
            self.ask(lambda journal: journal.rollouts())
        finally:
            self.opened.close()
            self.closing.close()
            shutil.rmtree(self.folder)
            self.server.sql(f"DROP SCHEMA {self.schema} CASCADE")


_KILL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE application_name = 'fairdeploy journal' AND query LIKE '%{schema}%'"
)


@pytest.fixture(autouse=True, scope="module")
def server(postgres_server: PostgresServer) -> None:
    """Give the machine its server."""
    Agreement.server = postgres_server


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=30, stateful_step_count=25)
