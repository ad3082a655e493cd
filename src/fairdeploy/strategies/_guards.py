"""What watches a plan, and from when until when."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fairdeploy.model import (
    CONVICTING,
    SHARED,
    AwaitReady,
    BoundCheck,
    Capability,
    Guard,
    Promote,
    Shift,
    Verdict,
    Verify,
)
from fairdeploy.strategies._arguments import COUNTED, ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairdeploy.model import Action, Check, RevisionId, Step, TargetId
    from fairdeploy.strategies._arguments import Settings
    from fairdeploy.strategies._scene import Scene


def until_promotion(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps before the point of no return; all, if there is none."""
    end = next((i for i, step in enumerate(steps) if isinstance(step, Promote)), len(steps))
    return tuple(steps[:end])


def span(steps: Sequence[Step], target: TargetId, candidate: RevisionId) -> tuple[str, str] | None:
    """Return the steps between which a candidate works and can still be sent back.

    That is from the first shift that gives it traffic (without a router: from its being ready)
    to the last step before the promotion; ``None`` if that is the same one.
    """
    head = [step for step in until_promotion(steps) if not isinstance(step, Verify)]
    gives = [
        step.id
        for step in head
        if isinstance(step, Shift) and step.target == target and step.split and step.split.share(candidate)
    ]
    ready = [
        step.id
        for step in head
        if isinstance(step, AwaitReady) and step.target == target and step.revision == candidate
    ]
    since = next(iter(gives or ready), None)
    return None if since is None or since == head[-1].id else (since, head[-1].id)


def consequences(check: Check, on_no_data: Action | None = None) -> Mapping[Verdict, Action]:
    """Return what follows a check's verdicts."""
    on = SHARED if check.scope == "shared" else CONVICTING
    return on if on_no_data is None else {**on, Verdict.NO_DATA: on_no_data}


def analysis_guards(of: Scene, settings: Settings, steps: Sequence[Step]) -> tuple[Guard, ...]:
    """Return one guard for each check of the analysis that can be made here."""
    watched = span(steps, of.id, of.candidate)
    if watched is None:
        return ()
    seen: Counter[str] = Counter()
    guards = []
    for check in settings.analysis:
        if isinstance(check, COUNTED) and not countable(of):
            continue
        name = check.name if isinstance(check, BoundCheck) else check.kind.replace("_", "-")
        seen[name] += 1
        guards.append(
            Guard(
                name if seen[name] == 1 else f"{name}-{seen[name]}",
                check=check,
                target=of.id,
                candidate=of.candidate,
                baseline=of.stable,
                since=watched[0],
                until=watched[1],
                every_ms=ms(settings.every),
                failures=settings.failures,
                on=consequences(check, settings.on_no_data),
            )
        )
    return tuple(guards)


def countable(of: Scene) -> bool:
    """Whether the requests of each revision are counted."""
    return of.routed and Capability.COUNTERS in of.capabilities
