"""What the suite of journals writes: plans, and a record of each kind."""

from __future__ import annotations

from fairdeploy.model import (
    Action,
    Bake,
    Base,
    Command,
    DeploymentState,
    Due,
    Ended,
    ErrorRate,
    Guard,
    Held,
    HTTPCheck,
    Intended,
    Judged,
    Noted,
    Outcome,
    Parked,
    Paused,
    Plan,
    Progressed,
    Promote,
    Record,
    Release,
    Released,
    Resumed,
    Retried,
    RolloutResult,
    SecretRef,
    Settled,
    Shift,
    Split,
    Start,
    Target,
    Undoing,
    Verdict,
    Verify,
)

__all__ = ["OLD", "due", "ended", "every_kind", "plan"]

OLD = "1.0-aaaaaaaaaa"
"""The revision that the plans begin with."""


def plan(*apps: str) -> Plan:
    """Return a plan for these applications, with most kinds of values in it."""
    targets = [Target(app) for app in (apps or ("shop",))]
    release = Release("1.1", command=["serve", "{port}", "ü😀"], env={"A": "b", "KEY": SecretRef.env("K")})
    new, first = release.revision, targets[0].id
    return Plan(
        "canary",
        bases=tuple(Base(each, stable=OLD, candidate=new, split=Split.all_to(OLD)) for each in targets),
        releases={new: release},
        steps=(
            Start("start", target=first, revision=new, replicas="match_stable"),
            Verify("verify", target=first, revision=new, checks=(HTTPCheck("/health", "/x"),)),
            Shift("shift", target=first, split=Split.between(OLD, new, 500)),
            Bake("bake", target=first, duration_ms=1_000),
            Promote("promote", targets=tuple((each.id, new) for each in targets)),
        ),
        guards=(
            Guard(
                "errors",
                check=ErrorRate(max_percent=1),
                target=first,
                candidate=new,
                since="shift",
                until="promote",
            ),
        ),
    )


def ended(rollout: str, outcome: Outcome = Outcome.PROMOTED) -> Ended:
    """Return the last record of a rollout."""
    return Ended(result=RolloutResult(rollout, outcome=outcome, reason="all is well", evidence=("a", "ü")))


def due(revision: str = OLD, app: str = "shop") -> Due:
    """Return something to be done after a rollout."""
    return Due(target=f"{app}/production", revision=revision, at_ms=5)


def every_kind(rollout: str) -> tuple[Record, ...]:
    """Return one record of each kind that a holder writes itself, the last one at the end."""
    undo = Shift("undo-1-shift", target="shop/production", split=Split.all_to(OLD))
    return (
        Intended(step="start"),
        Settled(step="start", detail="ü😀 \\ \" ' \n"),
        Retried(step="shift", error="RouterError: try again"),
        Progressed(step="shift", message="1 of 2"),
        Judged(guard="errors", verdict=Verdict.NO_DATA, action=Action.CONTINUE, state='{"n": 1}'),
        Held(guard="errors", message="no data"),
        Released(guard="errors"),
        Command(verb="promote", full=True, reason="because", by="me@here:1"),
        Paused(reason="lunch"),
        Resumed(),
        Parked(until_ms=2**40, then="resume"),
        Undoing(outcome="aborted", reason="aborted", evidence=("a", "b"), step="bake"),
        Intended(step="undo-1-shift", phase="undo", undo=undo),
        Settled(step="undo-1-shift", phase="undo"),
        due(),
        Noted(
            topic="state", message="before", by="me@here:1", state=DeploymentState("shop/production", at_ms=7)
        ),
        ended(rollout, Outcome.ABORTED),
    )
