"""The effects, each under the fence: what is asked of the API server, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from fairdeploy.backends.kubernetes import _observing, _pods
from fairdeploy.errors import BackendError, Refused, StartError
from fairdeploy.routing.kubernetes import fencing, names
from fairdeploy.routing.kubernetes.client import Answered

if TYPE_CHECKING:
    from fairdeploy.backends.kubernetes._pods import Settings
    from fairdeploy.model import InstanceId, Release, RevisionId, Target
    from fairdeploy.protocols import Fence
    from fairdeploy.routing.kubernetes.client import Client, Object
    from fairdeploy.routing.kubernetes.fencing import Book

__all__ = ["Effects"]

_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_FIRST_TO_GO: Final = "-2147483647"
_INVALID: Final = frozenset({400, 422})


@final
@dataclass(frozen=True, slots=True)
class Effects:
    """What is done to one target under one epoch.

    Args:
        client: The cluster.
        settings: How pods are made.
        target: Whose.
        fence: Under which.
    """

    client: Client
    settings: Settings
    target: Target
    fence: Fence

    async def enter(self, *, now: bool = False) -> Book:
        """Shut out whoever holds an older epoch; ``now``: after something was created, which no version proves."""
        return await fencing.entered(self.client, self.target, self.fence, "stamped", self._stamped, now=now)

    async def _stamped(self) -> list[str]:
        # Asked, not remembered: one that an older holder has made a moment ago must be among them.
        path = self.path("deployments")
        found = await self.client.get(path, labelSelector=names.selector(self.target))
        return [f"{path}/{each['metadata']['name']}" for each in found["items"]]

    def path(self, resource: str, name: str | None = None) -> str:
        """Return the path of a resource or an object."""
        return names.path_of(self.client.namespace, resource, name)

    async def deployments(self) -> list[Object]:
        """List the target's Deployments."""
        return await self._listed("deployments", names.selector(self.target))

    async def pods(self, revision: RevisionId | None = None) -> list[Object]:
        """List the pods of the target's revisions."""
        wanted = names.selector(self.target, revision)
        return await self._listed("pods", wanted if revision else f"{wanted},{names.REVISION}")

    async def _listed(self, resource: str, selector: str) -> list[Object]:
        return await self.client.listed(self.path(resource), selector, within=names.TARGET)

    async def rehearse(self, release: Release) -> None:
        """Have the API server look at a release's Deployment without making it: validation, policies, immutable fields.

        Raises:
            StartError: If it would be refused.
        """
        made = _pods.deployment(self.settings, self.target, release.revision, release, names.COLOURS[0])
        try:
            await self.client.create(self.path("deployments"), made, rehearse=True)
        except Answered as answer:
            if answer.status in _INVALID:
                raise refused(answer, f"release {release.version!r}") from answer
            if answer.reason != "AlreadyExists":
                raise

    # Ensure.

    async def ensure(
        self, revision: RevisionId, release: Release, replicas: int, drained: frozenset[InstanceId]
    ) -> None:
        """See `Backend.ensure`."""
        await self.enter()
        home = await self._place(revision, release)
        name = home["metadata"]["name"]
        mine = [each for each in await self.pods(revision) if _stands(each, home)]
        leaving = [each for each in mine if each["metadata"]["name"] in drained]
        await self._mark(leaving)
        going = [each for each in mine if _observing.is_going(each) and each not in leaving]
        active = len(mine) - len(leaving) - len(going)

        def number(found: Object) -> Object | None:
            # Platforms stop what they choose when a number is lowered: it never goes below what is to stay.
            count = max(replicas, active) + len(going)
            standing = found["metadata"].get("annotations", {}).get(names.REPLICAS) == str(replicas)
            if standing and found["spec"].get("replicas") == count:
                return None
            return {
                "metadata": {"annotations": {names.REPLICAS: str(replicas)}},
                "spec": {"replicas": count},
            }

        before = await self.client.recalled(self.path("deployments", name))
        done = await fencing.guarded(
            self.client, self.target, self.fence, self.path("deployments", name), number
        )
        if done is None:
            raise BackendError(f"Deployment {name!r} went away in between: try again")
        _refuse_failed(done)
        falls = (before or done)["spec"]["replicas"] - done["spec"]["replicas"]
        # As many as the number falls by are stopped by the platform: those marked to go first. Others it would replace.
        for each in leaving[max(0, falls) if len(mine) > done["spec"]["replicas"] else 0 :]:
            await self.client.delete(self.path("pods", each["metadata"]["name"]), {})

    async def _place(self, revision: RevisionId, release: Release) -> Object:
        """Return the revision's Deployment; make it, in a free place, if it is not there."""
        # In the last place another writer of the same revision may have been quicker: one look more finds it.
        for _ in range(len(names.COLOURS) + 1):
            known = await self.deployments()
            for each in known:
                if each["metadata"]["labels"].get(names.REVISION) == revision:
                    return each
            taken = {each["metadata"]["labels"].get(names.COLOUR) for each in known}
            colour = next((each for each in names.COLOURS if each not in taken), None)
            if colour is None:
                raise Refused(
                    f"{self.target.id!r} has {len(taken)} revisions, and places for no more: retire one first"
                )
            made = _pods.deployment(self.settings, self.target, revision, release, colour)
            if await self._made(revision, release, made):
                return made
        raise BackendError(f"the places of {self.target.id!r} are being taken by many at once: try again")

    async def _made(self, revision: RevisionId, release: Release, made: Object) -> bool:
        """Create a Deployment without replicas; whether the place was free."""
        notes = {names.EPOCH: str(self.fence.epoch), names.KEY: self.fence.key, names.REPLICAS: "0"}
        made["metadata"]["annotations"] = notes
        told = made["spec"]["template"]["metadata"]
        told["annotations"] = {**(told.get("annotations") or {}), names.KEY: self.fence.key}
        try:
            created = await self.client.create(self.path("deployments"), made)
        except Answered as answer:
            if answer.reason == "AlreadyExists":
                await self._ours(made)
                return False
            raise refused(answer, f"release {release.version!r}") from answer
        # Overtaken in between? Then it is left as it is, without replicas, and `Fenced` is raised.
        await self.enter(now=True)
        await self.attached(revision, release, created)
        return True

    async def attached(self, revision: RevisionId, release: Release, created: Object) -> None:
        """Make the configuration of a release, and its Secret, that go with their Deployment."""
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": created["metadata"]["name"],
            "uid": created["metadata"]["uid"],
        }
        labels = {names.TARGET: names.label(self.target)}
        if release.config:
            meta = {
                "name": _pods.config_name(self.target, release),
                "labels": labels,
                "ownerReferences": [owner],
            }
            body = {"metadata": meta, "immutable": True, "data": _pods.config_data(release)}
            await self._once("configmaps", body)
        if release.secrets:
            meta = {
                "name": _pods.secret_name(self.target, revision),
                "labels": labels,
                "ownerReferences": [owner],
            }
            values = {key: ref.resolve() for key, ref in release.secrets.items()}
            await self._once("secrets", {"metadata": meta, "immutable": True, "stringData": values})

    async def _ours(self, made: Object) -> None:
        name = made["metadata"]["name"]
        found = await self.client.find(self.path("deployments", name))
        if found and found["metadata"].get("labels", {}).get(names.TARGET) != names.label(self.target):
            raise Refused(
                f"Deployment {name!r} in namespace {self.client.namespace!r} is not of target {self.target.id!r}: "
                "rename it, or the target"
            )

    async def _once(self, resource: str, body: Object) -> None:
        try:
            await self.client.create(self.path(resource), body)
        except Answered as answer:
            if answer.reason != "AlreadyExists":
                raise

    async def _mark(self, pods: list[Object]) -> None:
        """Take pods out of every Service, and make them those that the platform stops first."""
        for each in pods:
            if each["metadata"]["labels"].get(names.SERVING) == "false":
                continue
            body: Object = {
                "metadata": {"labels": {names.SERVING: "false"}, "annotations": {_COST: _FIRST_TO_GO}}
            }
            try:
                await self.client.merge(self.path("pods", each["metadata"]["name"]), body)
            except Answered as answer:
                if answer.status != 404:
                    raise

    # Quiesce, remove, promote.

    async def quiesce(self, instances: frozenset[InstanceId]) -> None:
        """See `Backend.quiesce`. The number goes up with it: what quiesces is not counted, and nobody is stopped."""
        await self.enter()
        named = [each for each in await self.pods() if each["metadata"]["name"] in instances]
        for path in {self.path("deployments", name) for name in await self._homes(named)}:
            # Whoever has been overtaken is refused here by the API server, before a pod is touched.
            await fencing.guarded(self.client, self.target, self.fence, path, lambda _found: {})
        await self._mark(named)

    async def _homes(self, pods: list[Object]) -> set[str]:
        revisions = {each["metadata"]["labels"][names.REVISION] for each in pods}
        return {
            each["metadata"]["name"]
            for each in await self.deployments()
            if each["metadata"]["labels"][names.REVISION] in revisions
        }

    async def remove(self, revision: RevisionId) -> None:
        """See `Backend.remove`."""
        book = await self.enter()
        if book.data.get("stable") == revision:
            raise BackendError(
                f"revision {revision!r} is the stable one of {self.target.id!r}: promote another before removing it"
            )
        for each in await self.deployments():
            if each["metadata"]["labels"].get(names.REVISION) != revision:
                continue
            path = self.path("deployments", each["metadata"]["name"])
            found = await fencing.guarded(self.client, self.target, self.fence, path, lambda _found: {})
            if found is None:
                continue
            await self._mark(await self.pods(revision))
            await self.deleted(path, found)

    async def deleted(self, path: str, found: Object) -> None:
        """Delete exactly this object, and with it what it owns."""
        meta = found["metadata"]
        fixed = {"uid": meta["uid"]}
        await self.client.delete(path, {"propagationPolicy": "Background", "preconditions": fixed})

    async def promote(self, revision: RevisionId) -> None:
        """See `Backend.promote`."""
        await self.enter()
        known = {each["metadata"]["labels"].get(names.REVISION) for each in await self.deployments()}
        if revision not in known:
            raise BackendError(f"revision {revision!r} is not there to be promoted: ensure it first")
        await fencing.written(self.client, self.target, self.fence, stable=revision)


def _stands(pod: Object, home: Object) -> bool:
    """Whether a pod is there to stay, and not one that a Deployment of the same name, removed just now, has left behind."""
    made = (home["spec"]["template"]["metadata"].get("annotations") or {}).get(names.KEY)
    same = (pod["metadata"].get("annotations") or {}).get(names.KEY) == made
    return same and "deletionTimestamp" not in pod["metadata"]


def _refuse_failed(found: Object) -> None:
    """Raise what the platform says of pods that it may not create, such as a quota that is used up."""
    for each in found.get("status", {}).get("conditions", []):
        if each["type"] == "ReplicaFailure" and each["status"] == "True":
            raise StartError(f"pods of {found['metadata']['name']!r} are refused: {each.get('message', '')}")


def refused(answer: Answered, what: str) -> BackendError:
    """Return what is raised when the API server will not have something."""
    if answer.status in _INVALID:
        return StartError(f"{what} is refused by the API server: {answer.message}")
    if answer.status == 403 and "exceeded quota" in answer.message:
        return StartError(f"{what} does not fit the quota of the namespace: {answer.message}")
    return BackendError(f"{what} is refused by the API server ({answer.status}): {answer.message}")
