"""Whatever operators do, and whatever fails: nothing that must hold is broken."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.machine.fleet import Fleet
from tests.machine.menu import Happening, happenings
from tests.machine.seeded import play, run_seed

QUICK = settings(
    deadline=None,
    stateful_step_count=12,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    print_blob=True,
)


class Machine(RuleBasedStateMachine):
    """A fleet to which happens what hypothesis draws, and whose failures it makes short."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet()
        self.fleet.begin()

    @rule(happening=happenings())
    def happens(self, happening: Happening) -> None:
        """One thing happens; what must hold is looked at after every event in it."""
        self.fleet.happen(happening)

    def teardown(self) -> None:
        """Bring everything to an end, and compare it with the journal."""
        try:
            self.fleet.end()
        finally:
            self.fleet.close()


@pytest.mark.timeout(600)
def test_nothing_that_must_hold_is_broken() -> None:
    """I1 to I8 and I10, after every event; ten thousand more runs are a session of their own."""
    run_state_machine_as_test(Machine, settings=settings(QUICK, max_examples=100))


def test_the_same_seed_is_the_same_run() -> None:
    """What a seed draws happens again, event by event: a failure is found again by one number."""
    for seed in range(20):
        first, again = run_seed(seed), run_seed(seed)
        played = play(seed, first.happenings)
        assert first == again == played


@pytest.mark.timeout(600)
def test_who_wakes_after_everything_was_undone_changes_nothing() -> None:
    """The machine found it: a recovery that had nothing to undo told nobody of its epoch."""
    deploy = {"version": "2", "strategy": "recreate", "where": "shop", "conflict": "refuse", "later": 0}
    for boundaries in range(60):
        seize = {"who": 0, "boundaries": boundaries, "later": 0.3}
        happened = [Happening("deploy", deploy), Happening("seize", seize), Happening("wait", {"later": 2})]
        assert play(0, happened).broken == ""
