from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.engine import Deployer
from fairdeploy.errors import NotificationError
from fairdeploy.events import Courier
from fairdeploy.journal import SQLiteJournal
from fairdeploy.rollback import RollbackManager
from fairdeploy.strategies import BlueGreen
from fairdeploy.testing.simulation import SimulatedBackend, World
from tests.engine.simulated import ONE, SHOP, TWO

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model import Notice

QUICK = BlueGreen(watch=0, keep_warm=0, preview_header=None)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is left at the end be delivered however slow the disk is: the rest would be left to whoever follows."""
    monkeypatch.setattr("fairdeploy.events.courier._LAST_S", 60.0)


class Memory:
    """A sink that remembers, and may be out of order."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.got: list[Notice] = []
        self.trouble: Exception | None = None

    async def deliver(self, notice: Notice) -> None:
        """Take it, or not."""
        if self.trouble is not None:
            raise self.trouble
        self.got.append(notice)


async def rolled_back(journal: SQLiteJournal) -> None:
    """Deploy two releases, and go back."""
    world = World()
    deployer = Deployer(SimulatedBackend(world, journal=journal), validate=False)
    await deployer.deploy(SHOP, ONE, QUICK)
    result = await deployer.deploy(SHOP, TWO, QUICK)
    await RollbackManager(deployer).automated_rollback(result.rollout, reason="errors at checkout")


@pytest.mark.anyio
async def test_news_arrives_in_order_once_across_restarts(tmp_path: Path) -> None:
    """Whoever follows next begins where the last one ended."""
    sink = Memory()
    async with SQLiteJournal.open(tmp_path / "journal.sqlite") as journal:
        async with Courier.following(journal, [sink], folder=tmp_path / "positions"):
            await rolled_back(journal)
        count = len(sink.got)
        assert await Courier(journal, [sink], folder=tmp_path / "positions").deliver() == 0
        again = Memory("other")
        assert (
            await Courier(journal, [again], folder=tmp_path / "positions", from_start=True).deliver() == count
        )
    titles = [notice.title for notice in sink.got]
    assert titles[:2] == [
        "First deploy of shop/production begins",
        "First deploy of shop/production: promoted",
    ]
    assert "shop/production is on hold" in titles
    assert titles[-1] == "shop/production was rolled back"
    assert [notice.urgency for notice in sink.got][-1] == "warning"
    assert len({notice.id for notice in sink.got}) == count
    assert [notice.id for notice in again.got] == [notice.id for notice in sink.got]


@pytest.mark.anyio
async def test_what_does_not_arrive_is_delivered_again_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    """The other sink gets everything; the one that was out of order gets it later, with the same ids."""
    good, bad = Memory("good"), Memory("bad")
    async with SQLiteJournal.open(tmp_path / "journal.sqlite") as journal:
        courier = Courier(journal, [bad, good], folder=tmp_path / "positions", from_start=True)
        bad.trouble = NotificationError("out of order")
        await rolled_back(journal)
        assert await courier.deliver() == len(good.got) > 0
        bad.trouble = RuntimeError("a bug in a sink")
        assert await courier.deliver() == 0
        bad.trouble = None
        await courier.deliver()
    assert [notice.id for notice in bad.got] == [notice.id for notice in good.got]


@pytest.mark.anyio
async def test_what_can_never_arrive_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and what follows it arrives."""
    sink = Memory()
    refusal = NotificationError("400")
    refusal.retryable = False
    async with SQLiteJournal.open(tmp_path / "journal.sqlite") as journal:
        courier = Courier(journal, [sink], folder=tmp_path / "positions", from_start=True)
        await rolled_back(journal)
        sink.trouble = refusal
        assert await courier.deliver() == 0
        assert "is given up" in caplog.text
        sink.trouble = None
        assert await courier.deliver() == 0


async def failing(journal: SQLiteJournal, sink: Memory, folder: Path) -> None:
    """Deliver while something fails."""
    async with Courier.following(journal, [sink], folder=folder):
        await rolled_back(journal)
        raise LookupError


@pytest.mark.anyio
async def test_a_block_that_fails_is_left_with_its_own_error(tmp_path: Path) -> None:
    """And with what was to be told delivered."""
    sink = Memory()
    async with SQLiteJournal.open(tmp_path / "journal.sqlite") as journal:
        with pytest.raises(LookupError):
            await failing(journal, sink, tmp_path / "positions")
    assert sink.got[-1].title == "shop/production was rolled back"
