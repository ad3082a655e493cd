"""A planted bug is found: the machine is trusted because it notices."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.fleet import RUNS, Fleet
from tests.machine.mutants import MUTANTS

HUNT = settings(
    max_examples=2_000,
    stateful_step_count=12,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
)
"""The same runs every time, so that what is found today is found tomorrow; no time is spent on a shorter example."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found_within_two_thousand_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by the invariant that it breaks."""
    mutant = MUTANTS[name]
    mutant.plant(monkeypatch)
    before = RUNS["count"]
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(Fleet, settings=HUNT)
    print(f"{name}: found in run {RUNS['count'] - before}")  # noqa: T201 -- shown with -s and on failure
    assert str(found.value).startswith(mutant.invariants)
