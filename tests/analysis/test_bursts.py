from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fairdeploy.analysis import Answer, Cap, Capping, capped, measure_burst
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


def test_a_client_counts_again_when_its_time_is_over() -> None:
    """From the first error that was kept, not from the last that was left out."""
    capping = Capping(Cap(2, seconds=10))

    assert [capping.keeps("ann", at) for at in (0, 1, 2, 9.9, 10, 11, 12)] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    assert capping.keeps("bob", 12)


@given(st.lists(st.integers(0, 3_000), max_size=200), st.floats(0.5, 100))
def test_who_is_forgotten_would_have_counted_anew(clients: list[int], seconds: float) -> None:
    """However many clients there are: those whose time is over need no memory."""
    capping = Capping(Cap(seconds=seconds))
    for at in range(3_000):
        capping.keeps(at, at)
    wanted = [client <= 3_000 - seconds for client in dict.fromkeys(clients)]

    assert [capping.keeps(client, 3_000) for client in dict.fromkeys(clients)] == [
        each or client >= 3_000 for each, client in zip(wanted, dict.fromkeys(clients), strict=True)
    ]


@pytest.mark.parametrize(
    "wrong", [{"errors": 0}, {"errors": True}, {"seconds": 0}, {"seconds": float("nan")}]
)
def test_a_cap_that_keeps_nothing_is_refused(wrong: dict[str, float]) -> None:
    """Before anything is counted by it."""
    with pytest.raises(InvalidInput, match="a cap"):
        Cap(**wrong)  # type: ignore[arg-type]  # the point


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
