"""Bugs that we plant ourselves: the one place where our own code is patched, to see that its tests would notice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fairdeploy.analysis import judge
from fairdeploy.engine import decide, undo
from fairdeploy.engine.control import Stop
from fairdeploy.engine.decide import Done
from fairdeploy.engine.guards import Watch
from fairdeploy.engine.recovery import direction_of
from fairdeploy.engine.tenure import Tenure
from fairdeploy.model import Verdict
from fairdeploy.testing.simulation import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from fairdeploy.engine.runner import Direction
    from fairdeploy.model import CheckResult, Step
    from fairdeploy.protocols import Fence

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Attributes:
        invariants: Which of the invariants it breaks; one of them must be named by the failure.
        plant: Plants it.
    """

    invariants: tuple[str, ...]
    plant: Callable[[pytest.MonkeyPatch], None]


def _shift_before_ready(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "_ready", lambda *_: Done("ready, surely"))


def _drain_skipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "_emptied", lambda *_: Done("idle, surely"))


def _no_data_is_a_pass(patch: pytest.MonkeyPatch) -> None:
    def hopeful(*evidence: object) -> CheckResult:
        result = judge(*evidence)  # type: ignore[arg-type]  # as they came
        return replace(result, verdict=Verdict.PASS) if result.verdict is Verdict.NO_DATA else result

    patch.setattr("fairdeploy.engine.comparing.judge", hopeful)


def _stale_epoch_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(World, "_fence", lambda *_: None)


def _superseded_canary_removed_with_weight(patch: pytest.MonkeyPatch) -> None:
    honest = undo._way_back

    def hasty(*seen: object) -> Iterator[Step]:
        steps = list(honest(*seen))  # type: ignore[arg-type]  # as they came
        return iter(sorted(steps, key=lambda step: step.kind not in {"retire", "drain"}))

    patch.setattr(undo, "_way_back", hasty)


def _back_after_the_point_of_no_return(patch: pytest.MonkeyPatch) -> None:
    def timid(*known: object) -> Direction:
        way = direction_of(*known)  # type: ignore[arg-type]  # as they came
        return Stop(outcome="rolled_back", reason="to be sure") if way == "forward" else way

    patch.setattr("fairdeploy.engine.recoverer.direction_of", timid)


def _capacity_after_traffic(patch: pytest.MonkeyPatch) -> None:
    honest = undo._way_back

    def hasty(*seen: object) -> Iterator[Step]:
        steps = list(honest(*seen))  # type: ignore[arg-type]  # as they came
        return iter(sorted(steps, key=lambda step: step.kind != "shift"))

    patch.setattr(undo, "_way_back", hasty)


def _candidate_left_running(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(undo, "_candidate", lambda *_: iter(()))


def _verdict_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Watch, "_convict", lambda *_: None)


def _promoted_without_a_verdict(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("fairdeploy.engine.ends.policy", lambda _: "pass")


def _effect_again_after_a_crash(patch: pytest.MonkeyPatch) -> None:
    honest = Tenure.fence

    async def forgetful(tenure: Tenure, step: str) -> Fence:
        fence = await honest(tenure, step)
        return replace(fence, key=f"{fence.key}:{fence.epoch}")

    patch.setattr(Tenure, "fence", forgetful)


MUTANTS = {
    "shift before ready": Mutant(("I1", "I8"), _shift_before_ready),
    "drain skipped": Mutant(("I2", "I10"), _drain_skipped),
    "no data is a pass": Mutant(("I3",), _no_data_is_a_pass),
    "stale epoch accepted": Mutant(("I4", "I7"), _stale_epoch_accepted),
    "superseded canary removed with weight": Mutant(("I2", "I10"), _superseded_canary_removed_with_weight),
    "capacity after traffic on the way back": Mutant(("I1", "I10"), _capacity_after_traffic),
    "candidate left running": Mutant(("I5",), _candidate_left_running),
    "verdict ignored": Mutant(("I3",), _verdict_ignored),
    "promoted without a verdict": Mutant(("I3",), _promoted_without_a_verdict),
    "effect again after a crash": Mutant(("I6",), _effect_again_after_a_crash),
    "back after the point of no return": Mutant(("I6",), _back_after_the_point_of_no_return),
}
