"""What watches a plan, and from when until when."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.model import (
    CONVICTING,
    SHARED,
    WARNING,
    AwaitReady,
    BoundCheck,
    Capability,
    Delegate,
    ErrorComparison,
    Guard,
    LatencyComparison,
    Promote,
    RouterSource,
    SampleRatio,
    Shift,
    Verdict,
    Verify,
)
from fairdeploy.model.check import is_comparison, is_counted
from fairdeploy.strategies._arguments import ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairdeploy.model import Action, Check, RevisionId, Source, Step, TargetId
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
        if isinstance(step, (AwaitReady, Delegate)) and step.target == target and step.revision == candidate
    ]
    since = next(iter(gives or ready), None)
    return None if since is None or since == head[-1].id else (since, head[-1].id)


def consequences(check: Check, on_no_data: Action | None = None) -> Mapping[Verdict, Action]:
    """Return what follows a check's verdicts."""
    if isinstance(check, SampleRatio):
        return WARNING
    on = SHARED if check.scope == "shared" else CONVICTING
    return on if on_no_data is None else {**on, Verdict.NO_DATA: on_no_data}


def side_by_side(
    steps: Sequence[Step], target: TargetId, candidate: RevisionId, stable: RevisionId | None
) -> bool:
    """Whether there is a time in which both have traffic, so that they can be compared."""
    splits = [
        step.split for step in until_promotion(steps) if isinstance(step, Shift) and step.target == target
    ]
    return any(split and split.share(candidate) and stable and split.share(stable) for split in splits)


def sharing_alpha(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return the checks, those that convict by comparing with equal parts of their α (Bonferroni)."""
    convicting = [check for check in checks if isinstance(check, (ErrorComparison, LatencyComparison))]
    return tuple(
        replace(check, alpha=check.alpha / len(convicting))
        if isinstance(check, (ErrorComparison, LatencyComparison))
        else check
        for check in checks
    )


def analysis_guards(of: Scene, settings: Settings, steps: Sequence[Step]) -> tuple[Guard, ...]:
    """Return one guard for each check of the analysis that can be made here."""
    watched = span(steps, of.id, of.candidate)
    if watched is None:
        return ()
    seen: Counter[str] = Counter()
    guards = []
    comparable = side_by_side(steps, of.id, of.candidate, of.stable)
    for check in sharing_alpha(settings.analysis):
        if is_counted(check) and not countable(of, settings.source):
            continue
        if is_comparison(check) and not comparable:
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
                failures=1 if is_comparison(check) else settings.failures,
                source=settings.source,
                on=consequences(check, settings.on_no_data),
            )
        )
    return tuple(guards)


def countable(of: Scene, source: Source) -> bool:
    """Whether the requests of each revision are counted."""
    if not isinstance(source, RouterSource):
        return True
    return of.routed and Capability.COUNTERS in of.capabilities
