"""From a Deployment, its ReplicaSets and pods to how far a rolling update of the platform's has come: pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from fairdeploy.backends.kubernetes import _observing
from fairdeploy.model import Deployment, Revision
from fairdeploy.protocols import Progress
from fairdeploy.routing.kubernetes import names

if TYPE_CHECKING:
    from fairdeploy.model import RevisionId, Target
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["Standing", "difference"]

_HASH: Final = "pod-template-hash"
_NUMBER: Final = "deployment.kubernetes.io/revision"
_CRASHES: Final = 3
"""Restarts after which a pod that never became ready is given up, as in the engine."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A Deployment as it stands.

    Args:
        found: The Deployment.
        sets: Its ReplicaSets.
        pods: Those of its ReplicaSets.
    """

    found: Object
    sets: tuple[Object, ...]
    pods: tuple[Object, ...]

    @property
    def current(self) -> RevisionId | None:
        """The revision of its present template; ``None`` while the platform has not looked at it."""
        labels = self.found["spec"]["template"]["metadata"].get("labels", {})
        if names.REVISION in labels:
            return str(labels[names.REVISION])
        number = self.found["metadata"].get("annotations", {}).get(_NUMBER)
        matching = (
            each for each in self.sets if each["metadata"].get("annotations", {}).get(_NUMBER) == number
        )
        return next((_revision(each) for each in matching if self.observed), None)

    @property
    def observed(self) -> bool:
        """Whether the platform has seen what was written last."""
        seen = self.found.get("status", {}).get("observedGeneration", 0)
        return bool(seen >= self.found["metadata"]["generation"])

    def template(self, revision: RevisionId) -> Object | None:
        """Return the pod template of a revision that the platform remembers."""
        for each in self.sets:
            if _revision(each) == revision:
                template: Object = each["spec"]["template"]
                labels = {k: v for k, v in template["metadata"].get("labels", {}).items() if k != _HASH}
                return {**template, "metadata": {**template["metadata"], "labels": labels}}
        return None

    def pods_of(self, revision: RevisionId) -> list[Object]:
        """Return the pods of a revision."""
        mine = {each["metadata"]["uid"] for each in self.sets if _revision(each) == revision}
        return [pod for pod in self.pods if _owner(pod) in mine]

    def deployment(self, target: Target, stable: str | None, port: int) -> Deployment:
        """Return what is there, in our words; revisions that are only remembered are left out."""
        wanted: dict[RevisionId, int] = {}
        for each in sorted(self.sets, key=lambda found: str(found["metadata"]["creationTimestamp"])):
            size, revision = each["spec"].get("replicas", 0), _revision(each)
            if size or revision == self.current or self.pods_of(revision):
                wanted[revision] = wanted.get(revision, 0) + size
        if self.current is not None:
            wanted.setdefault(self.current, 0)
        revisions = tuple(
            Revision(
                revision,
                replicas=size,
                instances=tuple(
                    _observing.instance(pod, revision, port)
                    for pod in sorted(
                        self.pods_of(revision), key=lambda found: str(found["metadata"]["name"])
                    )
                ),
            )
            for revision, size in wanted.items()
        )
        return Deployment(target.id, revisions=revisions, stable=stable)

    def progress(self, revision: RevisionId) -> Progress:
        """Return how far the platform has come with a revision, which is that of the present template."""
        if not self.observed:
            return Progress(phase="running", message="the platform has not looked at it yet")
        for pod in self.pods_of(revision):
            if (why := _hopeless(pod)) is not None:
                return Progress(
                    phase="failed", message=f"pod {pod['metadata']['name']!r} does not come up: {why}"
                )
        mine: Object = next((each.get("status", {}) for each in self.sets if _revision(each) == revision), {})
        there, able = mine.get("replicas", 0), mine.get("availableReplicas", 0)
        conditions = {each["type"]: each for each in self.found.get("status", {}).get("conditions", [])}
        failure, going = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
        if failure.get("status") == "True" and not there:
            return Progress(phase="failed", message=str(failure.get("message", "its pods are refused")))
        if going.get("reason") == "ProgressDeadlineExceeded":
            return Progress(
                phase="failed", message=str(going.get("message", "its progress deadline has passed"))
            )
        size = self.found["spec"].get("replicas", 1)
        old = self.found.get("status", {}).get("replicas", 0) - there
        whole = there >= size and able >= there and not old
        words = f"{able} of {size} available" + (f", {old} old" if old > 0 else "")
        return Progress(phase="succeeded" if whole else "running", message=words)


def _revision(replica_set: Object) -> RevisionId:
    labels = replica_set["spec"]["template"]["metadata"].get("labels", {})
    return str(labels.get(names.REVISION) or f"adopted-{labels.get(_HASH, replica_set['metadata']['name'])}")


def _owner(pod: Object) -> str | None:
    return next((str(each["uid"]) for each in pod["metadata"].get("ownerReferences", [])), None)


def _hopeless(pod: Object) -> str | None:
    """Say why a pod will not get ready; one that was evicted or is being stopped is replaced by the platform."""
    if "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in {
        "Failed",
        "Succeeded",
    }:
        return None
    seen = _observing.instance(pod, "", 0)
    ends = seen.restarts + (seen.state == "backoff")
    hopeless = seen.state == "exited" or (not seen.ready and seen.state != "running" and ends > _CRASHES)
    return seen.detail if hopeless else None


def difference(old: Object, new: Object) -> Object:
    """Return the merge patch that makes exactly ``new`` of ``old``: what is left out there is taken away."""
    patch: Object = dict.fromkeys(old.keys() - new.keys())
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := difference(before, value):
                patch[key] = inner
        elif value != before:
            patch[key] = value
    return patch
