"""The end of a lease as its holder sees it: by a clock that never jumps, whatever the wall clock says."""

from __future__ import annotations

import anyio
import pytest
import trio

from fairdeploy.engine.control import Control, Leave
from fairdeploy.engine.tenure import Tenure
from fairdeploy.errors import Fenced, JournalError, LeaseHeld
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Progressed
from fairdeploy.testing.clock import VirtualClock
from tests.engine.simulated import virtually
from tests.journal.plans import plan

LEASE_MS = 15_000
TWO_THIRDS = 10.0
HOUR = 3_600.0


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 0.0])
def test_a_take_over_at_two_thirds_of_a_lease_stops_its_holder(jump: float) -> None:
    """Set ahead by an hour the lease looks expired and is taken: past two thirds no further effect begins."""

    async def story() -> None:
        clock = VirtualClock()
        journal = MemoryJournal(clock)
        lease = await journal.begin("r1", plan(), "one", LEASE_MS)
        control = Control()
        tenure = Tenure(journal, lease, clock, control)
        await trio.sleep(TWO_THIRDS - 0.1)
        clock.jump(jump)
        assert (await tenure.fence("step")).epoch == lease.epoch  # sure until then, without asking
        if jump <= 0:
            with pytest.raises(LeaseHeld):
                await journal.take("r1", "two", LEASE_MS, reason="expired")
            await trio.sleep(0.2)
            assert (await tenure.fence("step")).epoch == lease.epoch  # renewed before the effect
            await tenure.append(Progressed(step="step", message=""))
            return
        newer = await journal.take("r1", "two", LEASE_MS, reason="expired")
        await trio.sleep(0.2)
        with pytest.raises(Fenced):
            await tenure.fence("step")
        assert isinstance(control.stopped, Leave)
        with pytest.raises(Fenced):
            await tenure.append(Progressed(step="step", message=""))
        assert newer.epoch == lease.epoch + 1

    virtually(story)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_without_a_journal_no_effect_begins_after_two_thirds(jump: float) -> None:
    """Who cannot renew does not act on, though by the wall clock the lease had just begun, or long been over."""

    class Silent:
        """A journal that cannot be reached."""

        async def renew(self, _: object) -> None:
            raise JournalError("no answer")

    async def story() -> None:
        clock = VirtualClock()
        lease = await MemoryJournal(clock).begin("r1", plan(), "one", LEASE_MS)
        tenure = Tenure(Silent(), lease, clock, Control())  # type: ignore[arg-type]  # nothing else is asked
        clock.jump(jump)
        await trio.sleep(TWO_THIRDS)
        await tenure.fence("step")
        await trio.sleep(0.01)
        with pytest.raises(JournalError):
            await tenure.fence("step")

    virtually(story)


@pytest.mark.parametrize("wanted", [True, False])
def test_who_stood_still_for_longer_than_its_lease_lets_others_go_first(wanted: bool) -> None:  # noqa: FBT001 -- a case
    """It wakes and does not renew at once: one who waits takes over, and it is fenced; if nobody does, it goes on."""
    stood = [0.0]

    async def story() -> None:
        clock = VirtualClock(time=lambda: anyio.current_time() + stood[0])
        journal = MemoryJournal(clock)
        control = Control()
        tenure = Tenure(journal, await journal.begin("r1", plan(), "one", LEASE_MS), clock, control)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tenure.keep)
            await trio.sleep(LEASE_MS / 3_000 - 0.1)
            stood[0] = 2 * LEASE_MS / 1_000
            await trio.sleep(0.5)  # `keep` has woken
            if wanted:
                await journal.take("r1", "two", LEASE_MS, reason="expired")
            await trio.sleep(1)
            assert isinstance(control.stopped, Leave) == wanted
            if wanted:
                with pytest.raises(Fenced):
                    await tenure.fence("step")
            else:
                assert (await tenure.fence("step")).epoch == 1
                with pytest.raises(LeaseHeld):
                    await journal.take("r1", "two", LEASE_MS, reason="expired")
            nursery.cancel_scope.cancel()

    virtually(story)
