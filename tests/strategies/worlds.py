"""Targets, deployments and strategies as chance makes them, and a plan carried out on paper."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fairdeploy.model import (
    MATCH_STABLE,
    WHOLE,
    AwaitReady,
    Capability,
    Deployment,
    Drain,
    HTTPCheck,
    Plan,
    Release,
    Retire,
    Revision,
    RevisionId,
    Scale,
    Shift,
    Split,
    Start,
    Step,
    Target,
)
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate, Rolling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.protocols import Strategy

EVERYTHING = frozenset(Capability)
SERVER = ["serve", "--port", "{port}"]


def release(version: str, *, serves: bool = True) -> Release:
    """Return a release that listens, or a worker."""
    return Release(version, command=SERVER if serves else ["work"])


OLD, NEW, STRAY = release("1.4"), release("1.5"), release("1.3")


def target(replicas: int | None = 4, *, endpoint: str | None = "127.0.0.1:8080") -> Target:
    """Return a target of so many replicas."""
    return Target("shop", replicas=replicas, endpoint=endpoint)


def deployed(
    standing: int = 4, *, old: Release = OLD, warm: int = 0, split: Split | None = None
) -> Deployment:
    """Return a deployment where ``old`` is stable and serves everything, unless a split says otherwise."""
    revisions = [Revision(old.revision, replicas=standing)]
    if warm:
        revisions.append(Revision(NEW.revision, replicas=warm))
    whole = Split.all_to(old.revision) if old.serves else None
    return Deployment(
        "shop/production", revisions=tuple(revisions), stable=old.revision, split=split or whole
    )


def ids(plan: Plan) -> list[str]:
    """Return the ids of a plan's steps."""
    return [step.id for step in plan.steps]


@dataclass
class Paper:
    """A target as it would be if every step did what it says, and no more.

    Instances of stable are ready; those of others only once somebody has waited for them.
    """

    active: Counter[RevisionId]
    ready: Counter[RevisionId]
    split: Split | None
    stable: RevisionId | None
    quiescing: Counter[RevisionId] = field(default_factory=Counter)

    @classmethod
    def of(cls, deployment: Deployment) -> Paper:
        """Begin with what is there."""
        active = Counter({r.id: r.replicas for r in deployment.revisions})
        served = set(deployment.split.shares if deployment.split else ()) | {deployment.stable}
        ready = Counter({revision: count for revision, count in active.items() if revision in served})
        return cls(active, ready, deployment.split, deployment.stable)

    @property
    def total(self) -> int:
        """All instances, those on their way out included."""
        return self.active.total() + self.quiescing.total()

    def do(self, step: Step) -> None:
        """Carry out a step."""
        match step:
            case Start() | Scale():
                stable = self.active[self.stable] if self.stable else 0
                wanted = stable if step.replicas == MATCH_STABLE else int(step.replicas)
                self.quiescing[step.revision] = 0
                self.active[step.revision] = max(self.active[step.revision], wanted)
            case AwaitReady():
                self.ready[step.revision] = self.active[step.revision]
            case Drain(keep=int(keep)):
                leaving = max(0, self.active[step.revision] - keep)
                self.quiescing[step.revision] += leaving
                self.active[step.revision] -= leaving
                self.ready[step.revision] = min(self.ready[step.revision], self.active[step.revision])
            case Retire(keep_warm_ms=0):
                for counts in (self.active, self.ready, self.quiescing):
                    counts[step.revision] = 0
            case Shift():
                self.split = step.split
            case _:
                pass


def played(plan: Plan, deployment: Deployment) -> Iterator[tuple[Step, Paper]]:
    """Yield every step with the target as it is after it."""
    paper = Paper.of(deployment)
    for step in plan.steps:
        paper.do(step)
        yield step, paper


@dataclass(frozen=True)
class World:
    """What a strategy may be given."""

    release: Release
    target: Target
    deployment: Deployment

    @property
    def replicas(self) -> int:
        """The candidate's full size."""
        if self.target.replicas is not None:
            return self.target.replicas
        stable = self.deployment.revision(self.deployment.stable or "")
        return max(1, stable.replicas) if stable else 1

    def plan(self, strategy: Strategy, capabilities: frozenset[Capability] = EVERYTHING) -> Plan:
        """Return the strategy's plan here."""
        return strategy.plan(self.release, self.target, self.deployment, capabilities)


@st.composite
def worlds(draw: st.DrawFn, *, steady: bool = False) -> World:
    """Draw a target with what may lie around on it.

    Args:
        draw: Of hypothesis.
        steady: Only worlds where stable serves everything and nothing else is there.
    """
    serves = draw(st.booleans())
    old, new, stray = (release(v, serves=serves) for v in ("1.4", "1.5", "1.3"))
    standing = draw(st.integers(1 if steady else 0, 9))
    revisions = [Revision(old.revision, replicas=standing)]
    stable: str | None = old.revision
    shares = {old.revision: WHOLE}
    if not steady:
        for other in (new, stray):
            if size := draw(st.integers(0, 4)):
                revisions.append(Revision(other.revision, replicas=size))
                taken = draw(st.sampled_from([0, 0, 500, 2_500]))
                shares = {**shares, other.revision: taken, old.revision: shares[old.revision] - taken}
        if draw(st.integers(0, 5)) == 0:
            stable, revisions, shares = None, revisions[1:], {}
    routed = serves and (steady or draw(st.booleans()))
    silent = not shares or not routed or (not steady and draw(st.integers(0, 5)) == 0)
    replicas = standing if steady else draw(st.none() | st.integers(1, 9))
    return World(
        new,
        target(replicas, endpoint="127.0.0.1:8080" if routed else None),
        Deployment(
            "shop/production",
            revisions=tuple(revisions),
            stable=stable,
            split=None if silent else Split(shares),
        ),
    )


shares = st.lists(st.integers(1, WHOLE - 1), max_size=5, unique=True).map(
    lambda inner: tuple(share / 100 for share in [*sorted(inner), WHOLE])
)
bounds = st.integers(0, 4) | st.integers(0, 100).map(lambda percent: f"{percent}%")
some_checks = st.sampled_from([(), (HTTPCheck("/health"),)])
canaries = st.builds(
    Canary,
    steps=shares,
    bake=st.integers(0, 600),
    verify=some_checks,
    keep_warm=st.integers(0, 600),
    smoke_header=st.sampled_from([None, ("x-smoke", "1")]),
    dynamic_scale=st.booleans(),
)
blue_greens = st.builds(
    BlueGreen,
    verify=some_checks,
    preview_replicas=st.none() | st.integers(1, 6),
    watch=st.integers(0, 60),
    keep_warm=st.integers(0, 600),
)
rollings = (
    st.tuples(bounds, bounds, st.integers(0, 60))
    .filter(lambda both: both[0] not in (0, "0%") or both[1] not in (0, "0%"))
    .map(lambda both: Rolling(max_surge=both[0], max_unavailable=both[1], watch=both[2]))
)
recreates = st.builds(Recreate, watch=st.integers(0, 60), verify=some_checks)
strategies = canaries | blue_greens | rollings | recreates
gated = strategies | strategies.map(Approved)
