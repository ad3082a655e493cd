from __future__ import annotations

import pytest

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Await, Deployment, Window
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate, Rolling, Windowed
from tests.strategies.worlds import EVERYTHING, NEW, OLD, deployed, ids, release, target


def _after(plan_ids: list[str], step: str) -> str:
    return plan_ids[plan_ids.index(step) + 1]


def test_a_canary_is_approved_before_its_last_share() -> None:
    """The approval stands before the growth to full size that the last share needs."""
    plan = Approved(Canary()).plan(NEW, target(4), deployed(4), EVERYTHING)

    assert _after(ids(plan), "bake-75") == "approve"
    assert _after(ids(plan), "approve") == "scale-100"
    assert any("Approval" in note for note in plan.notes)


def test_a_blue_green_is_approved_after_its_verification() -> None:
    """The preview has been verified when a person is asked; the rest of it grows afterwards."""
    full = Approved(BlueGreen()).plan(NEW, target(4), deployed(4), EVERYTHING)
    small = Approved(BlueGreen(preview_replicas=1)).plan(NEW, target(4), deployed(4), EVERYTHING)

    assert _after(ids(full), "verify") == "approve"
    assert _after(ids(full), "approve") == "switch"
    assert _after(ids(small), "verify") == "approve"
    assert _after(ids(small), "approve") == "scale"


def test_a_recreate_is_approved_before_the_downtime() -> None:
    """Nobody waits for a person while nothing serves."""
    assert ids(Approved(Recreate()).plan(NEW, target(1), deployed(1), EVERYTHING))[0] == "approve"


def test_a_rolling_is_approved_before_its_last_batch() -> None:
    """The last batch waits for the answer."""
    plan = Approved(Rolling()).plan(NEW, target(4), deployed(4), EVERYTHING)

    assert _after(ids(plan), "approve") == "grow-4"


def test_workers_are_approved_before_the_last_of_them_start() -> None:
    """Without traffic it is being started that gives work."""
    worker, before = release("2", serves=False), release("1", serves=False)
    there = deployed(4, old=before)
    canary = Approved(Canary(steps=(50, 100))).plan(worker, target(4, endpoint=None), there, EVERYTHING)
    green = Approved(BlueGreen()).plan(worker, target(4, endpoint=None), there, EVERYTHING)

    assert _after(ids(canary), "approve") == "scale-100"
    assert ids(green)[0] == "approve"


def test_timeout_and_consequence_are_in_the_step() -> None:
    """How long is waited for an answer, and what follows, is data."""
    plan = Approved(Canary(), timeout=60, then="continue").plan(NEW, target(), deployed(), EVERYTHING)
    step = plan.step("approve")

    assert isinstance(step, Await)
    assert (step.reason, step.timeout_ms, step.then) == ("approval", 60_000, "continue")


def test_a_window_is_waited_for_first() -> None:
    """Nothing moves before the window is open; wrappers can be wrapped."""
    window = Window(days=(1, 3), opens=600, closes=660, zone="Europe/Amsterdam")
    plan = Windowed(Approved(Canary()), window).plan(NEW, target(), deployed(), EVERYTHING)
    step = plan.steps[0]

    assert isinstance(step, Await)
    assert (step.id, step.window, step.timeout_ms) == ("window", window, 7 * 86_400_000)
    assert "Tue, Thu 10:00-11:00 Europe/Amsterdam" in str(plan)


def test_two_approvals_are_two_steps() -> None:
    """The same wrapper twice asks twice, under different ids."""
    plan = Approved(Approved(Canary())).plan(NEW, target(), deployed(), EVERYTHING)

    assert {"approve", "approve-2"} <= set(ids(plan))


def test_nobody_is_asked_about_nothing() -> None:
    """Where nothing is to be done, or only the number changes, no approval is asked for."""
    window = Window()

    assert not Windowed(Approved(Canary()), window).plan(OLD, target(4), deployed(4), EVERYTHING).changes
    assert ids(Approved(Canary()).plan(OLD, target(6), deployed(4), EVERYTHING)) == ["scale", "ready"]


def test_a_first_deploy_is_approved_too() -> None:
    """An approval is a policy, not a step of the strategy: it holds for the first deploy."""
    plan = Approved(Canary()).plan(NEW, target(), Deployment("shop/production"), EVERYTHING)

    assert _after(ids(plan), "approve") == "shift"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Approved(Canary(), then="shrug"), "'shrug'"),  # type: ignore[arg-type]  # the point of the test
        (lambda: Approved(Canary(), timeout=0), "timeout"),
        (lambda: Windowed(Canary(), Window(), then="x"), "'x'"),  # type: ignore[arg-type]  # the point of the test
        (lambda: Windowed(Canary(), "monday"), "'monday'"),  # type: ignore[arg-type]  # the point of the test
    ],
)
def test_bad_gates_are_refused(make: type, words: str) -> None:
    """Timeouts, windows and consequences are proved when the wrapper is made."""
    with pytest.raises(InvalidInput, match=words):
        make()
