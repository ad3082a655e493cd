"""What a strategy is given, and the steps that all of them take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput, UnsupportedCapability
from fairdeploy.model import (
    MATCH_STABLE,
    WHOLE,
    AwaitReady,
    Bake,
    Base,
    Capability,
    Drain,
    HeaderRoute,
    Promote,
    Retire,
    Scale,
    Shift,
    Split,
    Start,
    Verify,
)
from fairdeploy.strategies._arguments import ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from fairdeploy.model import Check, Deployment, Release, RevisionId, Step, Target
    from fairdeploy.strategies._arguments import Settings


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a plan begins, and what it is to bring.

    Args:
        release: What is to run.
        target: Where.
        deployment: What is there.
        capabilities: What the backend can do.
        candidate: The release's revision.
        stable: The revision last promoted.
        standing: Replicas of stable now.
        replicas: Replicas of the candidate in the end; those of stable where an autoscaler decides.
        routed: Whether a router gives traffic to revisions.
    """

    release: Release
    target: Target
    deployment: Deployment
    capabilities: frozenset[Capability]
    candidate: RevisionId
    stable: RevisionId | None
    standing: int
    replicas: int
    routed: bool

    @property
    def full(self) -> int | Literal["match_stable"]:
        """The candidate's full size, decided as late as possible where an autoscaler decides."""
        autoscaled = (
            self.target.replicas is None and self.stable not in {None, self.candidate} and self.standing
        )
        return MATCH_STABLE if autoscaled else self.replicas

    @property
    def old(self) -> RevisionId:
        """The stable revision; empty before a first deploy, which needs no strategy."""
        return self.stable or ""

    @property
    def warm(self) -> int:
        """Replicas of the candidate that are there already."""
        return present(self.deployment, self.candidate)

    @property
    def id(self) -> str:
        """The target's id."""
        return self.target.id

    def share(self, basis_points: int) -> int:
        """Return how many replicas a share of the traffic needs, at least one."""
        return max(1, -(-self.replicas * basis_points // WHOLE))


def present(deployment: Deployment, revision: RevisionId | None) -> int:
    """Return how many replicas of a revision are wanted now; 0 if it is not there."""
    found = deployment.revision(revision) if revision else None
    return found.replicas if found else 0


def scene(
    release: Release,
    target: Target,
    deployment: Deployment,
    capabilities: frozenset[Capability],
    *,
    switches: bool = False,
) -> Scene:
    """Look at what is there.

    Args:
        release: What is to run.
        target: Where.
        deployment: What is there.
        capabilities: What the backend can do.
        switches: Whether the strategy is about traffic: it then needs a router for what serves.

    Raises:
        InvalidInput: If the deployment is another target's, or the target has an endpoint and the release listens nowhere.
        UnsupportedCapability: If ``switches`` and nothing splits the traffic of what serves.
    """
    if deployment.target != target.id:
        msg = f"the deployment is of {deployment.target!r}, not of {target.id!r}: observe the target and plan again"
        raise InvalidInput(msg)
    serves = target.endpoint is not None
    if serves and not release.serves:
        msg = (
            f"release {release.version!r} listens nowhere that the router could know, but target {target.id!r} has the "
            f"endpoint {target.endpoint!r}: put '{{port}}' or '{{uds}}' into its command or env, or give endpoint=None"
        )
        raise InvalidInput(msg)
    # Whether shares are needed between all and nothing, the steps say: they are looked at when the plan is whole.
    weights = Capability.WEIGHTS in capabilities or (switches and Capability.SWITCHES in capabilities)
    if switches and serves and not weights:
        raise UnsupportedCapability(
            f"the traffic of {target.id!r} cannot be moved: this backend does not declare "
            f"{str(Capability.WEIGHTS)!r}; use Rolling() or Recreate(), or a backend whose router splits traffic"
        )
    standing = present(deployment, deployment.stable)
    return Scene(
        release=release,
        target=target,
        deployment=deployment,
        capabilities=capabilities,
        candidate=release.revision,
        stable=deployment.stable,
        standing=standing,
        replicas=target.replicas if target.replicas is not None else max(1, standing),
        routed=serves and weights,
    )


def base(target: Target, deployment: Deployment, candidate: RevisionId | None) -> Base:
    """Return what a plan is made for."""
    return Base(
        target,
        stable=deployment.stable,
        candidate=None if candidate == deployment.stable else candidate,
        split=deployment.split,
        replicas=present(deployment, deployment.stable),
        revisions=tuple(revision.id for revision in deployment.revisions),
        fingerprint=deployment.fingerprint,
    )


def raise_to(
    of: Scene,
    settings: Settings,
    replicas: int | Literal["match_stable"],
    ids: tuple[str, str],
    *,
    first: bool,
) -> list[Step]:
    """Bring the candidate to a size, and wait until all of it is ready."""
    make = Start if first else Scale
    deadline = ms(settings.ready_deadline)
    return [
        make(ids[0], target=of.id, revision=of.candidate, replicas=replicas, deadline_ms=deadline),
        AwaitReady(
            ids[1],
            target=of.id,
            revision=of.candidate,
            deadline_ms=deadline,
            min_ready_ms=ms(settings.min_ready),
        ),
    ]


def verify(of: Scene, checks: Sequence[Check]) -> Verify:
    """Check the candidate before it has traffic. The step is there even if its checks are still to come."""
    return Verify("verify", target=of.id, revision=of.candidate, checks=tuple(checks))


def shift(of: Scene, id_: str, split: Split | None, headers: tuple[HeaderRoute, ...] = ()) -> Shift:
    """Put a routing rule in force."""
    return Shift(id_, target=of.id, split=split, headers=headers)


def steady(of: Scene, settings: Settings, *, replicas: int = 0) -> list[Step]:
    """Make stable fit to take over what other revisions serve now, before a split gives it that."""
    if not of.routed or of.deployment.split == Split.all_to(of.old):
        return []
    deadline = ms(settings.ready_deadline)
    steps: list[Step] = []
    if of.standing < replicas:
        steps.append(
            Scale("scale-stable", target=of.id, revision=of.old, replicas=replicas, deadline_ms=deadline)
        )
    return [*steps, AwaitReady("ready-stable", target=of.id, revision=of.old, deadline_ms=deadline)]


def bake(of: Scene, id_: str, duration_ms: int) -> list[Step]:
    """Watch for a while; no while is no step."""
    return [Bake(id_, target=of.id, duration_ms=duration_ms)] if duration_ms else []


def drain(target: Target, id_: str, revision: RevisionId, keep: int | None = None) -> Drain:
    """Wait for requests to end, as long as the target allows."""
    return Drain(
        id_,
        target=target.id,
        revision=revision,
        keep=keep,
        requests_ms=target.drain_ms,
        streams_ms=target.stream_drain_ms,
    )


def finish(of: Scene, keep_warm_ms: int, *, left: int | None = None) -> list[Step]:
    """Promote the candidate, and put the old revision away.

    What no router can keep from work (a worker) cannot stay warm: it would go on consuming.

    Args:
        of: Where it happens.
        keep_warm_ms: How long the old revision stays, ready to take over again.
        left: How many old instances are left; ``None``: all.
    """
    steps: list[Step] = [Promote("promote", targets=((of.id, of.candidate),))]
    if of.stable is not None:
        if left != 0 and present(of.deployment, of.stable):
            steps.append(drain(of.target, "drain", of.stable, None if of.routed else 0))
        warm = keep_warm_ms if of.routed and left != 0 else 0
        steps.append(Retire("retire", target=of.id, revision=of.stable, keep_warm_ms=warm))
    if of.target.replicas is not None and of.warm > of.replicas:
        steps.append(drain(of.target, "trim-drain", of.candidate, of.replicas))
        steps.append(Scale("trim", target=of.id, revision=of.candidate, replicas=of.replicas))
    return steps
