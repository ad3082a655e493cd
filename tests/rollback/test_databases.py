"""Databases that go back together with their application, or are kept from harm: by plans, in a simulated world."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import ConsentRequired, DatabaseError, InvalidInput, Refused, RollbackError
from fairdeploy.model import CheckResult, Intended, Noted, Outcome, Verdict
from fairdeploy.rollback import ManagedDatabase, RollbackManager
from fairdeploy.strategies import BlueGreen, Migrated
from fairdeploy.testing.simulation import Demand, Fault, SimulatedMigration, SimulatedStore, World
from tests.engine.simulated import ONE, SHOP, TWO, WORKER, House, virtually

if TYPE_CHECKING:
    from fairdeploy.model import MigrationClass, RolloutId
    from fairdeploy.protocols import Subject

QUICK = BlueGreen(watch=0, keep_warm=0, preview_header=None)
SERVES = {"shop": ManagedDatabase(serves={"1": ("1",)})}


class Stage:
    """Two releases, of which the second has migrated the database, and a manager."""

    def __init__(
        self,
        change: MigrationClass = "reversible",
        *,
        known: dict[str, ManagedDatabase] | None = None,
        writes: bool = False,
        loses: bool = False,
        backup: bool | None = None,
    ) -> None:
        second = SimulatedMigration("2", change=change, loses=loses)
        self.store = SimulatedStore((SimulatedMigration("1"), second), writes=writes)
        self.house = House(World(demand=Demand(rate=20)), stores={"shop": self.store})
        self.change: MigrationClass = change
        self.backup = backup
        self.manager = RollbackManager(self.house.deployer, databases=known)

    async def deployed(self) -> RolloutId:
        """Deploy both, and return the second's rollout."""
        await self.house.standing(ONE)
        self.store.keep("nightly", round(self.house.world.clock.wall() * 1000))
        self.house.world.clock.jump(1)  # type: ignore[attr-defined]  # a `VirtualClock`
        how = Migrated(QUICK, database="shop", to="2", change=self.change, backup=self.backup)
        return (await self.house.deployer.deploy(SHOP, TWO, how)).rollout

    async def steps(self) -> list[str]:
        """Return the steps that the newest rollout has intended."""
        last = (await self.house.deployer.history(SHOP))[-1]
        events = await self.house.events(last.id)
        return [e.record.step for e in events if isinstance(e.record, Intended)]

    async def untouched(self, last: RolloutId) -> None:
        """Nothing has changed since a deployment: no rollout, no note, no hold."""
        self.house.serves_only(TWO)
        assert (await self.house.deployer.history(SHOP))[-1].id == last
        assert await self.house.records(Noted) == []
        assert (self.store.version, self.store.frozen, self.store.lost) == ("2", False, 0)


# The lowest rung that is enough.


def test_what_was_added_stays_when_the_application_goes_back() -> None:
    """Nobody has to say anything of the database: the journal knows what the deployment declared."""

    async def story() -> None:
        on = Stage("additive")
        report = await on.manager.automated_rollback(await on.deployed())
        assert report.outcome == "rolled_back", str(report)
        assert on.store.version == "2"
        on.house.serves_only(ONE)
        on.house.unharmed()

    virtually(story)


def test_a_database_newer_than_the_code_is_refused_and_nothing_changes() -> None:
    """Unless somebody says what follows; the refusal tells the rung, the reason, and how long restoring took."""

    async def story() -> None:
        on = Stage()
        last = await on.deployed()
        said = "'shop' at '2' \\(it needs '1'\\); nothing has changed.*by its migrations: .*reversible; .*took 200 ms"
        with pytest.raises(Refused, match=said):
            await on.manager.automated_rollback(last)
        with pytest.raises(InvalidInput, match="'nonsense'"):
            await on.manager.automated_rollback(last, database="nonsense")  # type: ignore[arg-type]  # that is the point
        await on.untouched(last)

    virtually(story)


def test_unattended_the_application_goes_back_and_the_database_is_frozen() -> None:
    """In one plan, right after the promotion; whoever reads the journal finds that a person must look."""

    async def story() -> None:
        on = Stage(writes=True)
        report = await on.manager.automated_rollback(await on.deployed(), database="freeze")
        assert report.outcome == "needs_attention"
        assert report.result is not None
        assert report.result.outcome is Outcome.NEEDS_ATTENTION
        assert "'shop' is frozen" in report.result.reason
        assert [(deed.name, deed.ok) for deed in report.deeds][-2:] == [
            ("freeze database shop", True),
            ("verify health", True),
        ]
        assert report.emergency == ()
        steps = await on.steps()
        assert steps[steps.index("promote") + 1] == "freeze-shop"
        assert (on.store.version, on.store.frozen) == ("2", True)
        on.house.serves_only(ONE)
        on.house.unharmed()
        await on.manager.thaw()
        assert not on.store.frozen

    virtually(story)


def test_in_an_emergency_the_database_is_frozen_and_somebody_is_told() -> None:
    """The release before does not stand any more: the later one goes on serving, and nothing can be written."""

    async def refused(subject: Subject, /) -> CheckResult:
        return CheckResult(Verdict.FAIL, subject.revision)

    async def story() -> None:
        on = Stage("additive")
        last = await on.deployed()
        on.house.checks["api"] = refused
        report = await RollbackManager(on.house.another()).automated_rollback(last)
        assert report.outcome == "needs_attention"
        assert ("freeze database shop", True) in [(deed.name, deed.ok) for deed in report.emergency]
        assert [n.topic for n in await on.house.records(Noted)].count("emergency") == 1  # type: ignore[union-attr]  # filtered
        assert on.store.frozen
        on.house.serves_only(TWO)

    virtually(story)


def test_a_database_that_cannot_be_frozen_keeps_no_application_from_going_back() -> None:
    """What was left is drained and stopped all the same, and the report says what could not be done."""

    async def story() -> None:
        on = Stage()
        last = await on.deployed()
        on.house.world.faults.append(Fault(call="database.observe", kind="before", times=10_000))
        on.house.world.faults.append(Fault(call="database.freeze", kind="before", times=10_000))
        report = await on.manager.automated_rollback(last, database="freeze")
        assert report.outcome == "needs_attention"
        assert ("freeze database shop", False) in [(deed.name, deed.ok) for deed in report.deeds]
        on.house.serves_only(ONE)
        on.house.unharmed()

    virtually(story)


def test_the_database_goes_back_by_its_migrations_once_nobody_of_the_later_release_is_left() -> None:
    """A proved backup first; each step is in the journal of the one plan."""

    async def story() -> None:
        on = Stage()
        report = await on.manager.automated_rollback(await on.deployed(), database="back")
        assert report.outcome == "rolled_back", str(report)
        assert [each.databases[0].version for each in (*report.before, *report.after)] == ["2", "1"]
        assert "+database shop: version 1" in report.before[0].diff(report.after[0])
        assert (await on.steps())[-3:] == ["retire", "backup-shop", "back-shop"]
        assert (on.store.version, on.store.frozen, on.store.lost) == ("1", False, 0)
        on.house.serves_only(ONE)
        on.house.unharmed()

    virtually(story)


def test_what_took_rows_away_goes_back_to_the_backup_of_the_deployment() -> None:
    """Nobody has written since, so that nobody is asked."""

    async def story() -> None:
        on = Stage("destructive")
        report = await on.manager.automated_rollback(await on.deployed(), database="back")
        assert report.outcome == "rolled_back", str(report)
        assert (await on.steps())[-2:] == ["retire", "restore-shop"]
        assert (on.store.version, on.store.frozen, on.store.lost) == ("1", False, 0)

    virtually(story)


def test_without_a_backup_a_provider_s_snapshot_from_before_leads_back() -> None:
    """It is offered with its name, is a step of the journaled plan, and nobody has to know its name."""

    async def story() -> None:
        on = Stage("destructive", backup=False)
        last = await on.deployed()
        with pytest.raises(
            Refused, match=r"a snapshot from before, restored beside it.*snapshot 'nightly' is from before"
        ):
            await on.manager.automated_rollback(last)
        report = await on.manager.automated_rollback(last, database="back")
        assert report.outcome == "rolled_back", str(report)
        assert (await on.steps())[-2:] == ["retire", "restore-shop"]
        assert (on.store.version, on.store.frozen, on.store.lost) == ("1", False, 0)
        on.house.serves_only(ONE)
        on.house.unharmed()

    virtually(story)


def test_a_snapshot_takes_no_rows_away_that_nobody_agreed_to_lose() -> None:
    """What was written since is told with its digest, and the database is frozen until somebody agrees."""

    async def story() -> None:
        on = Stage("destructive", writes=True, backup=False)
        last = await on.deployed()
        report = await on.manager.automated_rollback(last, database="back")
        assert report.outcome == "needs_attention"
        assert (on.store.version, on.store.frozen, on.store.lost) == ("2", True, 0)
        assert "nobody has agreed to the loss" in str(report)
        on.house.serves_only(ONE)
        with pytest.raises(ConsentRequired, match="nightly") as asked:
            await on.manager.restore_backup(last)
        await on.manager.restore_backup(last, accept=asked.value.report.digest)
        assert (on.store.version, on.store.frozen) == ("1", False)

    virtually(story)


def test_without_a_backup_or_a_snapshot_from_before_there_is_no_way_back() -> None:
    """One that was taken since, or that holds another version, is none; nothing has changed."""

    async def story() -> None:
        on = Stage("destructive", backup=False)
        last = await on.deployed()
        on.store.snapshots.clear()
        on.store.keep("late", round(on.house.world.clock.wall() * 1000))
        with pytest.raises(Refused, match=r"'shop' .*cannot go back: .*no backup from before"):
            await on.manager.automated_rollback(last, database="back")
        await on.untouched(last)
        on.store.keep("odd", 0)
        report = await on.manager.automated_rollback(last, database="back")
        assert report.outcome == "needs_attention"
        assert "snapshot 'odd' is at version '2', not at '1'" in str(report)
        assert (on.store.version, on.store.frozen, on.store.lost) == ("2", True, 0)

    virtually(story)


@pytest.mark.parametrize("change", ["reversible", "destructive"])
def test_what_would_be_lost_without_consent_is_frozen_instead(change: MigrationClass) -> None:
    """The application is back, the digest is told; a wrong one changes nothing, the right one goes back."""

    async def story() -> None:
        on = Stage(change, writes=True, loses=True)
        last = await on.deployed()
        report = await on.manager.automated_rollback(last, database="back")
        assert report.outcome == "needs_attention"
        assert (on.store.version, on.store.frozen, on.store.lost) == ("2", True, 0)
        assert "public.orders" in str(report)
        assert "nobody has agreed to the loss" in str(report)
        on.house.serves_only(ONE)
        on.house.unharmed()
        with pytest.raises(ConsentRequired, match="nothing has changed") as asked:
            await on.manager.restore_backup(last, accept="0" * 64)
        assert (on.store.version, on.store.frozen, on.store.lost) == ("2", True, 0)
        await on.manager.restore_backup(last, accept=asked.value.report.digest)
        assert (on.store.version, on.store.frozen) == ("1", False)
        assert on.store.lost > 0

    virtually(story)


def test_what_the_owner_says_of_releases_counts_where_no_deployment_has_migrated() -> None:
    """The schema was moved by hand; `serves` tells which version the earlier release needs."""

    async def story() -> None:
        on = Stage(known=SERVES)
        await on.house.standing(ONE, TWO)
        last = (await on.house.deployer.history(SHOP))[-1].id
        on.store.held = replace(on.store.held, version="2")
        with pytest.raises(Refused, match="newer than release '1'"):
            await on.manager.automated_rollback(last)
        report = await on.manager.automated_rollback(last, database="back")
        assert report.outcome == "rolled_back", str(report)
        assert on.store.version == "1"

    virtually(story)


def test_after_a_contract_nothing_goes_back() -> None:
    """Whatever is said to follow, by the journal or by the owner's word: what the earlier version needs is gone."""

    async def story() -> None:
        on = Stage(known={"shop": ManagedDatabase(serves={"1": ("1",)}, contracts=("2",))})
        last = await on.deployed()
        with pytest.raises(Refused, match="a contract migration"):
            await on.manager.automated_rollback(last, database="freeze")
        await on.untouched(last)
        done = Stage("additive")
        done.store.migrations = (*done.store.migrations, SimulatedMigration("3", change="destructive"))
        last = await done.deployed()
        await done.house.deployer.contract(SHOP, "shop", "3")
        with pytest.raises(RollbackError, match="ended the rollback window"):
            await done.manager.automated_rollback(last, database="back")
        done.house.serves_only(TWO)

    virtually(story)


def test_a_database_that_cannot_be_looked_at_changes_nothing() -> None:
    """Where it has to go back too, it is asked before anything moves."""

    async def story() -> None:
        on = Stage()
        last = await on.deployed()
        on.house.world.faults.append(Fault(call="database.observe", kind="before", times=10))
        with pytest.raises(DatabaseError):
            await on.manager.automated_rollback(last, database="back")
        await on.untouched(last)
        with pytest.raises(InvalidInput, match="no database 'other'"):
            RollbackManager(on.house.deployer, databases={"other": ManagedDatabase()})
        with pytest.raises(InvalidInput, match="serves\\['1'\\] must be"):
            ManagedDatabase(serves={"1": "1"})  # type: ignore[dict-item]  # that is the point

    virtually(story)


# A database alone.


def test_the_schema_alone_goes_back_by_version() -> None:
    """Backup, then back, each in the journal; where it is already, nothing is done."""

    async def story() -> None:
        on = Stage()
        await on.deployed()
        done = await on.manager.database_rollback("1")
        assert (done.version, done.before) == ("1", "2")
        assert await on.steps() == ["backup-shop", "back-shop"]
        assert done.result is not None
        again = await on.manager.database_rollback("1")
        assert again.result is None
        with pytest.raises(InvalidInput, match="'other'"):
            await on.manager.database_rollback("1", database="other")
        with pytest.raises(InvalidInput, match="on_failure"):
            await on.manager.database_rollback("1", on_failure="shrug")  # type: ignore[arg-type]  # that is the point
        on.house.serves_only(TWO)

    virtually(story)


def test_a_database_that_several_targets_could_be_about_is_acted_on_for_one_that_is_named() -> None:
    """Its lease keeps others out."""

    async def story() -> None:
        on = Stage()
        on.store.held = replace(on.store.held, version="2")
        await on.house.standing(ONE)
        await on.house.standing(ONE, target=WORKER)
        with pytest.raises(InvalidInput, match="target="):
            await on.manager.database_rollback("1")
        await on.manager.database_rollback("1", target=WORKER)
        assert on.store.version == "1"

    virtually(story)


def test_consent_is_to_one_loss() -> None:
    """Without it, or with another one's digest, nothing has changed."""

    async def story() -> None:
        on = Stage(loses=True, writes=True)
        last = await on.deployed()
        for wrong in ("", "0" * 64):
            with pytest.raises(ConsentRequired, match="nothing has changed") as asked:
                await on.manager.database_rollback("1", accept=wrong)
        assert (on.store.version, on.store.frozen, on.store.lost) == ("2", False, 0)
        with pytest.raises(ConsentRequired):
            await on.manager.restore_backup(last)
        assert not on.store.frozen
        on.store.writes = False
        with pytest.raises(ConsentRequired) as asked:
            await on.manager.database_rollback("1")
        await on.manager.database_rollback("1", accept=asked.value.report.digest)
        assert on.store.version == "1"
        assert on.store.lost > 0

    virtually(story)


@pytest.mark.parametrize(
    ("broken", "said"), [(True, "cannot be restored"), (False, "there is no version '7'")]
)
def test_a_way_back_that_cannot_be_gone_changes_nothing(broken: bool, said: str) -> None:  # noqa: FBT001 -- a case
    """No backup to rely on, or no such version: each is told, and the database is what it was."""

    async def story() -> None:
        on = Stage()
        await on.deployed()
        on.store.broken = broken
        with pytest.raises(RollbackError, match=said):
            await on.manager.database_rollback("1" if broken else "7")
        assert (on.store.version, on.store.frozen) == ("2", False)

    virtually(story)


def test_a_rollout_without_a_backup_is_none_to_restore() -> None:
    """Nothing has changed."""

    async def story() -> None:
        on = Stage("additive")
        last = await on.deployed()
        on.store.snapshots.clear()
        with pytest.raises(RollbackError, match="took no backup"):
            await on.manager.restore_backup(last)
        await on.untouched(last)

    virtually(story)
