"""One Deployment and the platform's own rolling update of it: asked for once, watched, taken back."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Final, final

from fairdeploy.backends.kubernetes import _pods, _words
from fairdeploy.backends.kubernetes._budgets import refuse_beyond
from fairdeploy.backends.kubernetes._rolling import Standing, difference
from fairdeploy.errors import BackendError, Refused, StartError
from fairdeploy.model import Deployment
from fairdeploy.protocols import Progress
from fairdeploy.routing.kubernetes import fencing, names

if TYPE_CHECKING:
    from fairdeploy.backends.kubernetes._effects import Effects
    from fairdeploy.model import Delegate, Release, RevisionId
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["Native"]

_ASKED: Final = "fairdeploy.io/delegated"
"""The key under which the present template was asked for: whoever changes it later is found out."""
_OURS: Final = {"app.kubernetes.io/managed-by": "fairdeploy"}
_LINES: Final = 20
_REMEMBERED: Final = 2
"""Old ReplicaSets that the platform keeps at least: the way back needs one."""


@final
@dataclass(frozen=True, slots=True)
class Native:
    """A Deployment that the platform rolls by itself.

    Args:
        effects: The target, under a fence.
        name: Of the Deployment. One that is there already is taken over as it runs, without a restart.
    """

    effects: Effects
    name: str

    @property
    def _path(self) -> str:
        return self.effects.path("deployments", self.name)

    async def standing(self) -> Standing | None:
        """Return the Deployment with its ReplicaSets and pods, or ``None`` if it is not there."""
        client = self.effects.client
        found = await client.known(self._path)
        if found is None:
            return None
        chosen = ",".join(f"{k}={v}" for k, v in found["spec"]["selector"].get("matchLabels", {}).items())
        sets = await client.listed(self.effects.path("replicasets"), chosen)
        mine = tuple(each for each in sets if _owned(each, found["metadata"]["uid"]))
        known = {each["metadata"]["uid"] for each in mine}
        pods = await client.listed(self.effects.path("pods"), chosen)
        kept = tuple(each for each in pods if any(_owned(each, uid) for uid in known))
        return Standing(found=found, sets=mine, pods=kept)

    async def observe(self) -> Deployment:
        """See `Backend.observe`. What runs before our first rollout is stable."""
        target = self.effects.target
        book, standing = await fencing.seen(self.effects.client, target), await self.standing()
        if standing is None:
            return Deployment(target.id)
        stable = book.data.get("stable") or (None if _is_ours(standing.found) else standing.current)
        return standing.deployment(target, stable, self.effects.settings.port)

    async def delegate(self, step: Delegate, release: Release | None) -> Progress:
        """See `RolloutController.delegate`."""
        standing = await self.standing()
        if standing is not None and _asked(standing.found) == self.effects.fence.key:
            return await self._progress(standing, step.revision)
        await self.effects.enter()
        standing = standing or await self._made(step, release)
        if release is not None:  # the way back is not held up by a budget
            await self._refuse_beyond_budgets(standing, step)
        await self._adopt(standing)
        template = standing.template(step.revision) or await self._template(standing, step, release)
        if release is not None:
            await self.effects.attached(step.revision, release, standing.found)

        def change(found: Object) -> Object:
            spec = difference(found["spec"], _spec(found["spec"], step, template))
            return {"metadata": {"annotations": {_ASKED: self.effects.fence.key}}, "spec": spec}

        effects = self.effects
        done = await fencing.guarded(effects.client, effects.target, effects.fence, self._path, change)
        if done is None:
            raise BackendError(f"Deployment {self.name!r} went away in between: try again")
        return Progress(phase="running", message="asked for")

    async def _progress(self, standing: Standing, revision: RevisionId) -> Progress:
        if standing.observed and standing.current != revision:
            writers = [each["manager"] for each in standing.found["metadata"].get("managedFields", [])]
            others = sorted(set(writers) - {"fairdeploy", "kube-controller-manager"})
            return Progress(
                phase="failed",
                message=f"somebody else has rolled out {standing.current!r} meanwhile (known writers: {others!r})",
            )
        progress = standing.progress(revision)
        if progress.phase != "failed":
            return progress
        said = await _words.said(self.effects.client, standing.pods_of(revision), _LINES)
        return replace(
            progress, output=tuple(f"{pod}: {line}" for pod, lines in said.items() for line in lines)
        )

    async def _adopt(self, standing: Standing) -> None:
        """Take a Deployment over as it runs: what is stable is written down first, then whose it is."""
        found, target, client = standing.found, self.effects.target, self.effects.client
        owner = found["metadata"].get("labels", {}).get(names.TARGET)
        if owner == names.label(target):
            return
        if owner is not None:
            raise Refused(
                f"Deployment {self.name!r} is of another target: give one Deployment to each target"
            )
        template = json.dumps(found["spec"]["template"])
        if standing.current is None:
            raise Refused(
                f"Deployment {self.name!r} is being looked at by the platform: try again when it has settled"
            )
        await fencing.written(client, target, self.effects.fence, stable=standing.current, template=template)
        labels = {names.TARGET: names.label(target)}
        version = found["metadata"]["resourceVersion"]
        await client.merge(self._path, {"metadata": {"labels": labels, "resourceVersion": version}})

    async def _template(self, standing: Standing, step: Delegate, release: Release | None) -> Object:
        if release is None:
            raise StartError(
                f"the platform does not remember {step.revision!r} of {self.name!r} (revisionHistoryLimit?): "
                "deploy that release again"
            )
        book = await fencing.seen(self.effects.client, self.effects.target)
        adopted = None if _is_ours(standing.found) else json.loads(book.data["template"])
        return self._pods(step.revision, release, adopted)

    def _pods(self, revision: RevisionId, release: Release, adopted: Object | None) -> Object:
        settings, target = self.effects.settings, self.effects.target
        if settings.template is None and adopted is not None:
            settings = replace(settings, template=adopted)
        labels = {names.TARGET: names.label(target), names.REVISION: revision}
        return _pods.pod(settings, target, revision, release, labels)

    async def _made(self, step: Delegate, release: Release | None) -> Standing:
        """Create the Deployment, without replicas yet."""
        if release is None:
            raise StartError(f"Deployment {self.name!r} is not there any more: deploy a release")
        label = {names.TARGET: names.label(self.effects.target)}
        meta = {"name": self.name, "labels": {**label, **_OURS}}
        template = self._pods(step.revision, release, None)
        spec: Object = {"replicas": 0, "selector": {"matchLabels": label}, "template": template}
        made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
        found = await self.effects.client.create(self.effects.path("deployments"), made)
        await self.effects.enter(now=True)
        return Standing(found=found, sets=(), pods=())

    async def remove(self, revision: RevisionId) -> None:
        """See `Backend.remove`. A revision that the platform only remembers is left to it."""
        book = await self.effects.enter()
        if book.data.get("stable") == revision:
            raise BackendError(f"revision {revision!r} is the stable one: promote another before removing it")
        standing = await self.standing()
        if standing is None or book.data.get("stable") or not _is_ours(standing.found):
            return
        effects = self.effects
        found = await fencing.guarded(
            effects.client, effects.target, effects.fence, self._path, lambda _found: {}
        )
        if found is not None:
            await effects.deleted(self._path, found)

    async def promote(self, revision: RevisionId) -> None:
        """See `Backend.promote`."""
        await self.effects.enter()
        standing = await self.standing()
        if standing is None or standing.current != revision:
            raise BackendError(f"revision {revision!r} is not what {self.name!r} runs: roll it out first")
        await fencing.written(self.effects.client, self.effects.target, self.effects.fence, stable=revision)

    async def pods(self, revision: RevisionId) -> list[Object]:
        """Return the pods of a revision."""
        standing = await self.standing()
        return [] if standing is None else standing.pods_of(revision)

    async def check(self, release: Release) -> None:
        """Refuse what could not be rolled by the platform. Changes nothing.

        Raises:
            StartError: If the release asks for what pods cannot do.
            Refused: If the Deployment is another kind of thing, paused, or its number is an autoscaler's.
        """
        standing = await self.standing()
        self._new(standing, release)
        client = self.effects.client
        if standing is None:
            if await client.find(self.effects.path("statefulsets", self.name)) is not None:
                raise Refused(
                    f"{self.name!r} is a StatefulSet: its pods have identities and volumes of their own, and two revisions "
                    "of one cannot stand side by side, nor go back without their data: update it by its own means"
                )
        elif standing.found["spec"].get("paused"):
            raise Refused(
                f"Deployment {self.name!r} is paused: kubectl rollout resume deployment/{self.name}"
            )
        await self._refuse_autoscaled()

    async def template(self, release: Release) -> Object:
        """Return the pod template that a release would be rolled out with."""
        return self._new(await self.standing(), release)

    def _new(self, standing: Standing | None, release: Release) -> Object:
        adopted = None if standing is None or _is_ours(standing.found) else standing.found["spec"]["template"]
        return self._pods(release.revision, release, adopted)

    async def _refuse_beyond_budgets(self, standing: Standing, step: Delegate) -> None:
        listed = await self.effects.client.get(self.effects.path("poddisruptionbudgets"))
        labels = standing.found["spec"]["template"]["metadata"].get("labels", {})
        size = step.replicas or standing.found["spec"].get("replicas", 1)
        refuse_beyond(listed["items"], labels, size, step.max_unavailable)

    async def _refuse_autoscaled(self) -> None:
        if self.effects.target.replicas is None:
            return
        listed = await self.effects.client.get(self.effects.path("horizontalpodautoscalers"))
        for each in listed["items"]:
            aim = each["spec"]["scaleTargetRef"]
            if aim["kind"] == "Deployment" and aim["name"] == self.name:
                raise Refused(
                    f"the number of pods of {self.name!r} is decided by HorizontalPodAutoscaler "
                    f"{each['metadata']['name']!r}: give Target(replicas=None), which leaves it alone"
                )


def _spec(spec: Object, step: Delegate, template: Object) -> Object:
    """Return the Deployment's spec that asks for a revision."""
    bounds = {"maxSurge": step.max_surge, "maxUnavailable": step.max_unavailable}
    stay = ceil(step.min_ready_ms / 1000)
    size = spec.get("replicas", 1) or 1
    return {
        **spec,
        "template": template,
        "replicas": size if step.replicas is None else step.replicas,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": bounds},
        "minReadySeconds": stay,
        "progressDeadlineSeconds": max(ceil(step.deadline_ms / 1000), stay + 1),
        "revisionHistoryLimit": max(spec.get("revisionHistoryLimit", 10), _REMEMBERED),
    }


def _asked(found: Object) -> str | None:
    """Return the key under which its template was asked for."""
    key: str | None = found["metadata"].get("annotations", {}).get(_ASKED)
    return key


def _owned(found: Object, uid: str) -> bool:
    return any(each["uid"] == uid for each in found["metadata"].get("ownerReferences", []))


def _is_ours(found: Object) -> bool:
    """Whether the Deployment was made by us, and not taken over."""
    return bool(_OURS.items() <= found["metadata"].get("labels", {}).items())
