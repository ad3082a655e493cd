"""A planted bug is found: the machine is trusted because it notices."""

from __future__ import annotations

import pytest

from tests.machine.mutants import MUTANTS
from tests.machine.seeded import run_seed

_MOST = 2_000
"""Runs within which it must be found; the same seeds every time, so that what is found today is found tomorrow."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found_within_two_thousand_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by the invariant that it breaks."""
    mutant = MUTANTS[name]
    mutant.plant(monkeypatch)
    for seed in range(_MOST):
        run = run_seed(seed)
        if run.broken:
            break
    else:
        pytest.fail(f"{name!r} was not found in {_MOST} runs")
    print(f"{name}: found in run {seed + 1}")  # noqa: T201 -- shown with -s and on failure
    assert run.broken.startswith(mutant.invariants), run.broken
