from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import InvalidInput
from fairdeploy.model import ErrorRate, HTTPCheck
from fairdeploy.strategies import BlueGreen, Canary, Recreate, Rolling

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairdeploy.protocols import Strategy

BAD: list[tuple[Callable[[], Strategy], str]] = [
    (lambda: Canary(steps=()), r"steps must be percentages"),
    (lambda: Canary(steps="5,100"), r"steps must be percentages.*'5,100'"),  # type: ignore[arg-type]  # the point
    (lambda: Canary(steps=(5, 25)), r"the last step is 25.*add 100"),
    (lambda: Canary(steps=(25, 25, 100)), r"steps must increase.*25"),
    (lambda: Canary(steps=(50, 25, 100)), r"25 does not exceed the step before it"),
    (lambda: Canary(steps=(0, 100)), r"step 0 must be a percentage above 0"),
    (lambda: Canary(steps=(5, 101)), r"step 101 must be"),
    (lambda: Canary(steps=(True, 100)), r"step True must be"),
    (lambda: Canary(steps=(33.333, 100)), r"step 33.333 is finer.*0.01"),
    (lambda: Canary(steps=(float("nan"), 100)), r"step nan must be"),
    (lambda: Canary(bake=(1, 2)), r"bake has 2 durations for 5 steps"),
    (lambda: Canary(bake=-1), r"bake must be a duration"),
    (lambda: Canary(bake="5m"), r"bake must be a timedelta or a number of seconds, not '5m'"),  # type: ignore[arg-type]  # the point
    (lambda: Canary(smoke_header="x"), r"smoke_header must be a pair"),  # type: ignore[arg-type]  # the point
    (lambda: Canary(verify=HTTPCheck("/")), r"verify must be a list of checks"),  # type: ignore[arg-type]  # the point
    (lambda: Canary(verify=[ErrorRate()]), r"nothing to count; give it as analysis"),
    (lambda: Canary(analysis=["error-rate"]), r"analysis must be a list of checks"),  # type: ignore[list-item]  # the point
    (lambda: Canary(on_no_data="panic"), r"on_no_data must be one of.*'panic'"),  # type: ignore[arg-type]  # the point
    (lambda: Canary(on_crash="weep"), r"on_crash must be.*'weep'"),  # type: ignore[arg-type]  # the point
    (lambda: Canary(failures=0), r"failures must be at least 1"),
    (lambda: Canary(every=0.001), r"every must be a duration of at least 10 ms"),
    (lambda: Canary(min_ready=300), r"min_ready .* must be shorter than ready_deadline"),
    (lambda: Canary(ready_deadline=0), r"ready_deadline must be"),
    (lambda: BlueGreen(preview_replicas=0), r"preview_replicas must be at least 1"),
    (lambda: BlueGreen(watch=float("inf")), r"watch must be a duration"),
    (lambda: BlueGreen(preview_header=("x", 1)), r"preview_header must be a pair"),  # type: ignore[arg-type]  # the point
    (lambda: Rolling(max_surge=0), r"cannot both be 0.*max_surge=1"),
    (lambda: Rolling(max_surge="0%", max_unavailable="0%"), r"cannot both be 0"),
    (lambda: Rolling(max_surge="many"), r"max_surge must be .* not 'many'"),
    (lambda: Rolling(max_surge=-1), r"max_surge must be at least 0"),
    (lambda: Rolling(max_unavailable="101%"), r"max_unavailable '101%' must be at most"),
    (lambda: Rolling(max_surge=0.5), r"max_surge must be a number of instances"),  # type: ignore[arg-type]  # the point
    (lambda: Recreate(watch=-1), r"watch .* not -1"),
]


@pytest.mark.parametrize(("make", "words"), BAD)
def test_what_cannot_be_right_is_refused_at_once(make: Callable[[], Strategy], words: str) -> None:
    """A bad argument is refused when the strategy is made; the message names it and what would do."""
    with pytest.raises(InvalidInput, match=words):
        make()


def test_equal_settings_are_equal_strategies() -> None:
    """Seconds and timedeltas, lists and tuples mean the same; strategies can be compared and hashed."""
    one = Canary(steps=[5, 100], bake=60, keep_warm=timedelta(minutes=1), verify=[HTTPCheck("/")])
    two = Canary(steps=(5.0, 100), bake=timedelta(minutes=1), keep_warm=60, verify=(HTTPCheck("/"),))

    assert one == two
    assert hash(one) == hash(two)
    assert Rolling(watch=1) == Rolling(watch=timedelta(seconds=1))
    assert BlueGreen() != BlueGreen(watch=0)
