"""Whatever operators do, and whatever fails: nothing that must hold is broken."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.fleet import Fleet

QUICK = settings(
    deadline=None,
    stateful_step_count=12,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.mark.timeout(600)
def test_nothing_that_must_hold_is_broken() -> None:
    """I1 to I8 and I10, after every event of some hundred runs."""
    run_state_machine_as_test(Fleet, settings=settings(QUICK, max_examples=250))


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_nothing_that_must_hold_is_broken_in_ten_thousand_runs() -> None:
    """The same, for as long as a night is."""
    run_state_machine_as_test(Fleet, settings=settings(QUICK, max_examples=10_000))
