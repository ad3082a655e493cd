"""Whatever operators do, and whatever fails: nothing that must hold is broken."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.fleet import Fleet
from tests.machine.program import Program

QUICK = settings(
    deadline=None,
    stateful_step_count=12,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    print_blob=True,
)


@pytest.mark.timeout(600)
def test_nothing_that_must_hold_is_broken() -> None:
    """I1 to I8 and I10, after every event of some hundred runs."""
    run_state_machine_as_test(Fleet, settings=settings(QUICK, max_examples=250))


@pytest.mark.timeout(600)
def test_who_wakes_after_everything_was_undone_changes_nothing() -> None:
    """The machine found it: a recovery that had nothing to undo told nobody of its epoch."""
    for boundaries in range(60):
        fleet = Fleet()
        try:
            fleet.excused.add("no_member")
            program = fleet.do(fleet.start("deploy", fleet.recreating))
            program.stops_in = boundaries
            fleet.after(2)
            fleet.seen_dead()
            fleet.after(0.3)
            fleet.do(_wake(program))
            fleet.after(5)
        finally:
            fleet.teardown()


async def _wake(program: Program) -> None:
    program.stops_in = None
    program.go_on()


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_nothing_that_must_hold_is_broken_in_ten_thousand_runs() -> None:
    """The same, for as long as a night is."""
    run_state_machine_as_test(Fleet, settings=settings(QUICK, max_examples=10_000))
