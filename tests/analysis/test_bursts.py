from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fairdeploy.analysis import Answer, capped, measure_burst
from fairdeploy.errors import InvalidInput
from fairdeploy.model import Counters
from tests.analysis.batches import counted

ANSWERS = st.lists(
    st.builds(Answer, st.sampled_from("abcdef"), st.sampled_from(["old", "new"]), st.booleans()), max_size=40
)


@given(ANSWERS, st.integers(1, 5))
def test_no_client_counts_more_often_than_the_cap(answers: list[Answer], cap: int) -> None:
    """Errors are bounded by clients, and nothing else is lost."""
    found = capped(answers, cap=cap)
    failed = {answer.client for answer in answers if answer.failed}
    served = sum(not answer.failed for answer in answers)

    assert sum(each.errors for each in found.values()) <= cap * len(failed)
    assert sum(each.requests - each.errors for each in found.values()) == served


@given(ANSWERS)
def test_what_is_left_out_does_not_depend_on_the_revision(answers: list[Answer]) -> None:
    """With the revisions' names exchanged, the same requests are kept: so neither is favoured."""
    other = {"old": "new", "new": "old"}
    swapped = capped([Answer(each.client, other[each.revision], each.failed) for each in answers])

    assert swapped == {other[name]: each for name, each in capped(answers).items()}


def test_a_cap_below_one_is_refused() -> None:
    """It would leave every error out."""
    with pytest.raises(InvalidInput, match="cap"):
        capped([], cap=0)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_size_of_groups_is_measured(size: int) -> None:
    """From batches of a drifting load with errors in groups, within a third."""
    chance = np.random.default_rng(size)
    batches = [
        counted(1_000 + index, min(1_000, size * int(chance.poisson(2 + index / 200))))
        for index in range(600)
    ]

    assert 0.67 * size <= measure_burst(batches) <= 1.33 * size


def test_nothing_counted_is_no_burst() -> None:
    """Without errors there is nothing to measure."""
    assert measure_burst([]) == 1.0
    assert measure_burst([Counters(), counted(5), counted(5), counted(5)]) == 1.0
