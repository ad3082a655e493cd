"""A journal in which one rollout cannot be understood: the others are looked after all the same."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from fairdeploy.engine import Deployer
from fairdeploy.errors import JournalError, RecordError
from fairdeploy.guard import recover_until_idle
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Intended, Target
from fairdeploy.strategies import BlueGreen
from fairdeploy.testing.simulation import SimulatedBackend, World
from tests.backends.local import until
from tests.engine.simulated import ONE, SHOP, TWO, House, Life, live

pytestmark = pytest.mark.anyio

OTHER = Target("other", replicas=2, endpoint="127.0.0.1:8081")
QUICK = BlueGreen(watch=0, keep_warm=0, preview_header=None)


@asynccontextmanager
async def two_left_behind(path: Path) -> AsyncIterator[House]:
    """Give a house in which programs have died in the middle of rollouts of two targets."""
    world = World()
    async with SQLiteJournal.open(path, world.clock) as journal:
        house = House(world, journal=journal)
        for target in (SHOP, OTHER):
            await house.standing(ONE, target=target, strategy=QUICK)

            class AtTheSwitch(Life):
                def boundary(self, where: str) -> None:
                    self.dead = self.dead or ("after" in where and str(Intended(step="switch")) in where)
                    super().boundary(where)

            async def deed(deployer: Deployer, target: Target = target) -> None:
                await deployer.deploy(target, TWO, QUICK)

            assert await live(house, AtTheSwitch(), deed, lease=1)
        await anyio.sleep(1.1)  # until the leases have expired
        yield house


def with_a_newer_plan(path: Path) -> str:
    """Have the first of those that are open written by a later version; return its id."""
    with closing(sqlite3.connect(path)) as file:
        found = file.execute("SELECT id, plan FROM rollout WHERE unfinished ORDER BY number").fetchall()
        rollout, plan = found[0]
        newer = json.dumps({**json.loads(plan), "schema": 99, "hunter2": True})
        file.execute("UPDATE rollout SET plan = ? WHERE id = ?", (newer, rollout))
        file.commit()
    return str(rollout)


async def test_a_plan_of_a_newer_version_blocks_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The guard says which it leaves alone and what would help, recovers the others, and leaves."""
    path = tmp_path / "journal.sqlite"
    async with two_left_behind(path) as house:
        rollout = with_a_newer_plan(path)
        backend = SimulatedBackend(house.world, journal=house.journal)
        with anyio.fail_after(60):
            await recover_until_idle([backend], clock=house.world.clock, interval=0.02, linger=0.1)
        house.serves_only(ONE, OTHER)
        assert set(house.counts()) == {ONE.revision, TWO.revision}, "what is not understood is not touched"
        (said,) = [each.getMessage() for each in caplog.records if "needs attention" in each.getMessage()]
        assert rollout in said
        assert "upgrade fairdeploy" in said
        assert "hunter2" not in said


async def test_recover_does_what_it_can_and_then_says_what_it_could_not(tmp_path: Path) -> None:
    """It is no success, but the other target is back."""
    path = tmp_path / "journal.sqlite"
    async with two_left_behind(path) as house:
        rollout = with_a_newer_plan(path)
        with pytest.raises(RecordError, match=rollout):
            await house.another().recover()
        house.serves_only(ONE, OTHER)


async def test_a_record_of_a_newer_version_disturbs_nobody_who_waits_for_another_rollout(
    tmp_path: Path,
) -> None:
    """Programs of two versions share a journal: the older one still sees its own rollout end."""
    path = tmp_path / "journal.sqlite"
    async with two_left_behind(path) as house:
        left = [info.id for info in await house.deployer.history(SHOP) if info.open]
        with closing(sqlite3.connect(path)) as file:
            file.execute(
                "INSERT INTO event (rollout, epoch, at_ms, version, record) VALUES (?, 1, 1, 99, '{}')", left
            )
            file.commit()
        with pytest.raises(RecordError, match="upgrade fairdeploy"):
            await house.another().recover()
        with anyio.fail_after(60):
            assert (await house.another().deploy(OTHER, TWO, QUICK)).promoted
        house.serves_only(TWO, OTHER)


async def test_a_journal_that_was_replaced_is_not_acted_by(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The guard says so once and changes nothing, as long as it is asked to."""
    path = tmp_path / "journal.sqlite"
    async with two_left_behind(path) as house:
        effects = len(house.world.effects)
        path.rename(tmp_path / "elsewhere")
        backend = SimulatedBackend(house.world, journal=house.journal)

        async def said() -> int:
            return len([each for each in caplog.records if "was removed or replaced" in each.getMessage()])

        async with anyio.create_task_group() as tasks:
            looking = partial(recover_until_idle, clock=house.world.clock, interval=0.02, linger=0.1)
            tasks.start_soon(looking, [backend])
            await until(said, bool)
            await anyio.sleep(1)  # for many more looks
            tasks.cancel_scope.cancel()
        assert len(house.world.effects) == effects
        assert await said() == 1
        with pytest.raises(JournalError, match="open it anew"):
            await house.another().recover()
        (tmp_path / "elsewhere").rename(path)
