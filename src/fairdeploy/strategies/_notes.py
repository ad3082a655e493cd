"""What a reader of a plan should know beside its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.model import MATCH_STABLE, Bake, Delegate, Drain, Plan, Retire, Scale, Start, UndoPolicy
from fairdeploy.model._words import count, duration
from fairdeploy.model.check import is_comparison, is_counted
from fairdeploy.strategies._arguments import ms
from fairdeploy.strategies._guards import analysis_guards, countable
from fairdeploy.strategies._scene import base
from fairdeploy.strategies.capabilities import refuse_unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.model import Deployment, Release, RevisionId, Step
    from fairdeploy.strategies._arguments import Settings
    from fairdeploy.strategies._scene import Scene

_WAY_BACK_MS = 120_000
"""Time for the way back beside what it waits for: moving traffic, stopping the candidate."""


def peak(deployment: Deployment, steps: Sequence[Step]) -> int:
    """Return the largest number of instances that are there at once, all revisions counted."""
    counts: dict[RevisionId, int] = {r.id: max(r.replicas, len(r.instances)) for r in deployment.revisions}
    kept: dict[RevisionId, int] = {}
    most = sum(counts.values())
    for step in steps:
        match step:
            case Start() | Scale():
                had = counts.get(step.revision, 0)
                wanted = (
                    counts.get(deployment.stable or "", 0) if step.replicas == MATCH_STABLE else step.replicas
                )
                lower = kept.pop(step.revision, had)
                counts[step.revision] = max(lower, wanted)
            case Delegate(revision=revision, replicas=size, max_surge=surge):
                had = sum(counts.values())
                most = max(most, (had if size is None else size) + surge)
                counts = {revision: had if size is None else size}
            case Drain(keep=int(keep)):
                kept[step.revision] = keep
            case Retire(keep_warm_ms=0):
                counts[step.revision] = 0
            case _:
                continue
        most = max(most, sum(counts.values()))
    return most


def _capacity(of: Scene, steps: Sequence[Step]) -> str:
    now = sum(max(r.replicas, len(r.instances)) for r in of.deployment.revisions)
    auto = "; an autoscaler may change the number" if of.target.replicas is None else ""
    return f"Capacity: {count(peak(of.deployment, steps), 'instance')} at the peak, {now} now{auto}."


def _time(steps: Sequence[Step]) -> str:
    bakes = sum(step.duration_ms for step in steps if isinstance(step, Bake))
    watching = f"{duration(bakes)} of watching, and " if bakes else ""
    return f"Time: {watching}as long as instances take to start and drain."


def _way_back(of: Scene, steps: Sequence[Step], *, exclusive: bool) -> str:
    if of.stable is None:
        return "Way back: until the promotion it goes back to nothing: the candidate is stopped and removed."
    if exclusive:
        return f"Way back: until the promotion the candidate is stopped and {of.stable} started again; there is downtime."
    retire = next((step for step in steps if isinstance(step, Retire)), None)
    warm = retire.keep_warm_ms if retire else 0
    later = f"warm for {duration(warm)}, then cold" if warm else "cold: it is started again"
    traffic = "all traffic returns to" if of.routed else "the work stays with"
    return (
        f"Way back: until the promotion {traffic} {of.stable}; after it a rollback finds {of.stable} {later}."
    )


def _risks(of: Scene, settings: Settings, *, watched: bool, compared: bool) -> list[str]:
    notes = []
    blind = any(map(is_counted, settings.analysis)) and not countable(of, settings.source)
    if blind:
        why = (
            "nothing counts requests per revision here"
            if of.routed
            else "there is no routed traffic to count"
        )
        notes.append(f"Not watched: errors and latency, because {why}; health checks still are.")
    elif settings.analysis and not watched:
        notes.append("Not watched: no time passes between the first traffic and the promotion.")
    elif any(map(is_comparison, settings.analysis)) and not compared:
        why = (
            "there is no stable revision" if of.stable is None else "old and new never have traffic together"
        )
        notes.append(f"Not compared: {why}; thresholds and health checks still watch.")
    if not of.routed and of.stable is not None:
        notes.append("Without a router old and new share the work by their numbers; keep_warm has no effect.")
    strangers = [r.id for r in of.deployment.revisions if r.id not in {of.stable, of.candidate}]
    if strangers:
        notes.append(f"Left alone: {', '.join(strangers)}, which this plan neither needs nor removes.")
    return notes


def undo_policy(of: Scene, settings: Settings, *, restarts: bool, exclusive: bool = False) -> UndoPolicy:
    """Return a policy whose deadline leaves room for what the way back must wait for."""
    drain = max(of.target.drain_ms, of.target.stream_drain_ms)
    start = ms(settings.ready_deadline) if restarts else 0
    return UndoPolicy(
        deadline_ms=max(180_000, _WAY_BACK_MS + drain + start),
        on_crash=settings.on_crash,
        exclusive=exclusive,
    )


def compose(
    of: Scene,
    settings: Settings,
    name: str,
    steps: Sequence[Step],
    *,
    risks: Sequence[str] = (),
    restarts: bool = False,
    exclusive: bool = False,
) -> Plan:
    """Put a plan together, with its guards and notes.

    Raises:
        UnsupportedCapability: If the backend cannot carry it out.
    """
    guards = analysis_guards(of, settings, steps)
    plan = Plan(
        name,
        bases=(base(of.target, of.deployment, of.candidate),),
        releases=releases(of.release),
        steps=tuple(steps),
        guards=guards,
        undecided=settings.undecided,
        undo=undo_policy(of, settings, restarts=restarts, exclusive=exclusive),
        notes=(
            _capacity(of, steps),
            _time(steps),
            *(f"Risk: {risk}" for risk in risks),
            *_risks(
                of,
                settings,
                watched=bool(guards),
                compared=any(is_comparison(guard.check) for guard in guards),
            ),
            _way_back(of, steps, exclusive=exclusive),
        ),
    )
    refuse_unsupported(plan, of.capabilities)
    return plan


def releases(release: Release | None) -> dict[RevisionId, Release]:
    """Return a release under its revision's id."""
    return {release.revision: release} if release else {}
