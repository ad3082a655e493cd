"""Plans and records that journal tests write."""

from __future__ import annotations

from fairdeploy.model import (
    Bake,
    Base,
    Due,
    Ended,
    ErrorRate,
    Guard,
    HTTPCheck,
    Outcome,
    Plan,
    Promote,
    Release,
    RolloutResult,
    SecretRef,
    Shift,
    Split,
    Start,
    Target,
    Verify,
)

OLD = "1.0-aaaaaaaaaa"


def plan(*apps: str) -> Plan:
    """Return a plan for these applications, with most kinds of values in it."""
    targets = [Target(app) for app in (apps or ("shop",))]
    release = Release("1.1", command=["serve", "{port}", "ü😀"], env={"A": "b", "KEY": SecretRef.env("K")})
    new = release.revision
    first = targets[0].id
    return Plan(
        "canary",
        bases=tuple(Base(target, stable=OLD, candidate=new, split=Split.all_to(OLD)) for target in targets),
        releases={new: release},
        steps=(
            Start("start", target=first, revision=new, replicas="match_stable"),
            Verify("verify", target=first, revision=new, checks=(HTTPCheck("/health", "/x"),)),
            Shift("shift", target=first, split=Split.between(OLD, new, 500)),
            Bake("bake", target=first, duration_ms=1_000),
            Promote("promote", targets=tuple((target.id, new) for target in targets)),
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
    return Ended(result=RolloutResult(rollout, outcome=outcome, reason="all is well", evidence=("a", "b")))


def due(revision: str = OLD, app: str = "shop") -> Due:
    """Return something to be done after a rollout."""
    return Due(target=f"{app}/production", revision=revision, at_ms=5)
