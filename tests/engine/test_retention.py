"""What may be forgotten, and that going back needs nothing of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from fairdeploy.engine import prune
from fairdeploy.engine.retention import forgettable
from fairdeploy.engine.versions import ROLLBACK, verified
from fairdeploy.errors import InvalidInput
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Base, Due, Outcome, Plan, Promote, Release, RolloutResult, Target
from fairdeploy.protocols import RolloutInfo
from tests.engine.simulated import SHOP, House, release, virtually

NOW = datetime(2040, 1, 1, tzinfo=UTC)
APPS = ("a", "b")
RELEASES = {release.revision: release for release in (Release(each, command=["serve"]) for each in "123456")}


def test_going_back_works_after_all_that_is_old_is_gone() -> None:
    """Of ten rollouts those stay that the way back through three revisions needs; it is gone step by step."""

    async def story() -> None:
        house = House()
        releases = [release(str(number)) for number in range(8)]
        await house.standing(*releases)
        journal = house.backend.journal
        assert isinstance(journal, MemoryJournal)
        gone = await prune(journal, before=NOW, keep=3)
        assert len(gone) == 5
        assert await prune(journal, before=NOW, keep=3) == ()
        for back in (6, 5):
            await house.deployer.rollback(SHOP)
            house.serves_only(releases[back])
            await prune(journal, before=NOW, keep=3)
        house.unharmed()

    virtually(story)


def test_what_ended_lately_or_is_unfinished_stays() -> None:
    """Only rollouts that ended before the date go, and none with something due."""

    async def story() -> None:
        house = House()
        await house.standing(*(release(str(number)) for number in range(5)))
        journal = house.backend.journal
        assert isinstance(journal, MemoryJournal)
        started = datetime.fromtimestamp(house.world.clock.wall(), UTC)
        assert await prune(journal, before=started - timedelta(days=1), keep=2) == ()
        assert len(await prune(journal, before=NOW, keep=2)) == 3

    virtually(story)


@pytest.mark.anyio
async def test_wrong_arguments_are_named() -> None:
    """A date without a zone, and less than one revision to go back to, are refused."""
    for before, keep, message in (
        (NOW.replace(tzinfo=None), 10, "has no time zone"),
        (NOW, 1, "must be 2 to 1,000"),
        (NOW, 1_001, "must be 2 to 1,000"),
    ):
        with pytest.raises(InvalidInput, match=message):
            await prune(MemoryJournal(), before=before, keep=keep)


@st.composite
def histories(draw: st.DrawFn) -> list[RolloutInfo]:
    """Draw rollouts of one or two targets: promoted or not, forward or back, some with something due, some open."""
    infos: list[RolloutInfo] = []
    for number in range(draw(st.integers(1, 14))):
        apps = draw(st.sets(st.sampled_from(APPS), min_size=1))
        new = draw(st.sampled_from(sorted(RELEASES)))
        old = draw(st.none() | st.sampled_from(sorted(RELEASES)))
        targets = [Target(app) for app in sorted(apps)]
        plan = Plan(
            draw(st.sampled_from([ROLLBACK, "canary"])),
            bases=tuple(Base(target, stable=old, candidate=new) for target in targets),
            releases={new: RELEASES[new]},
            steps=(Promote("promote", targets=tuple((target.id, new) for target in targets)),),
        )
        outcome = draw(st.sampled_from([Outcome.PROMOTED, Outcome.PROMOTED, Outcome.ABORTED, None]))
        infos.append(
            RolloutInfo(
                id=f"r{number}",
                plan=plan,
                began_ms=number,
                holder="me",
                epoch=number,
                expires_ms=number,
                result=None
                if outcome is None
                else RolloutResult(f"r{number}", outcome=outcome, ended_ms=number),
                due=draw(st.sampled_from([(), (), (Due(target=targets[0].id, revision=new, at_ms=1),)])),
            )
        )
    return infos


@given(infos=histories(), before=st.integers(0, 14), keep=st.integers(2, 4))
def test_what_stays_tells_the_same_of_the_way_back(infos: list[RolloutInfo], before: int, keep: int) -> None:
    """The last verified revisions are the same, with their releases; nothing unfinished or late goes."""
    gone = set(forgettable(infos, before, keep))
    left = [info for info in infos if info.id not in gone]
    for info in infos:
        if info.id in gone:
            assert info.result is not None
            assert info.result.ended_ms < before
            assert not info.due
    known = {revision for info in left for revision in info.plan.releases}
    for app in APPS:
        target = f"{app}/production"
        line, short = verified(target, infos), verified(target, left)
        assert len(short) >= min(keep, len(line))
        assert short == line[len(line) - len(short) :]
        assert set(short) <= known
    assert forgettable(left, before, keep) == ()
