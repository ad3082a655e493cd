"""Traffic by the selector of one Service: all to one revision at a time, as blue and green are done by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import Refused, RouterError
from fairdeploy.model import WHOLE, Capability, Traffic
from fairdeploy.routing.kubernetes import fencing, names, slices
from fairdeploy.routing.kubernetes._border import border
from fairdeploy.routing.kubernetes._settling import Settling
from fairdeploy.routing.kubernetes.document import Document
from fairdeploy.routing.kubernetes.owners import refuse_owned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Counters, RevisionId, Routes, Target
    from fairdeploy.protocols import Fence
    from fairdeploy.routing.kubernetes.client import Client, Object

__all__ = ["ServiceRouter"]

_NOWHERE: Final = "none"
_CHANGED: Final = ("/spec/selector", "/metadata/annotations", "/metadata/labels")


@final
class ServiceRouter:
    """Points a Service at one revision after another. Layer 4: whoever keeps a connection keeps its pod.

    A Service of that name that is there already is taken over if its selector fits nobody but this target's pods, or
    nobody at all. Its ports stay as they are.

    What `observe` calls acknowledged: the Service's EndpointSlices hold exactly the ready pods of the revision, and have
    done so for ``settle`` seconds, in which every node's proxy follows. No node can be asked whether it has.

    Args:
        client: The namespace; see `KubernetesBackend.client`.
        service: Name of the Service that visitors use: of one target, so a backend with this router has one.
        port: Where it listens, if it has to be made.
        target_port: Where pods listen, if it has to be made.
        settle: See above.
        ignored: Whether Argo CD, Flux or Helm, where one of them keeps the Service, was told to leave its selector
            alone. Else such a Service is refused.
    """

    def __init__(
        self,
        client: Client,
        service: str,
        *,
        port: int = 80,
        target_port: int = 8000,
        settle: float = 2.0,
        ignored: bool = False,
    ) -> None:
        self._client = client
        self._service = service
        self._ports = [{"name": "http", "port": port, "targetPort": target_port, "protocol": "TCP"}]
        self._settling = Settling(settle)
        self._ignored = ignored

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything or nothing, and drains by the clock: no shares, no headers."""
        return frozenset({Capability.SWITCHES, Capability.DRAIN_TIMED})

    @property
    def _path(self) -> str:
        return names.path_of(self._client.namespace, "services", self._service)

    async def observe(self, target: Target) -> Traffic:
        """Return what was written, and which pods are ready to be sent to.

        Raises:
            RouterError: If the API server cannot be asked.
        """
        with border(f"looking at Service {self._service!r}"):
            found = await self._client.known(self._path)
            document = Document.of(found) if found and _is_ours(target, found) else None
            if document is None:
                return Traffic()
            behind = (await slices.endpoints(self._client, {self._service}))[self._service]
            ready = await self._ready(target)
        members = {each.instance for pool in document.routes.pools for each in pool.members}
        chosen = _chosen(document.routes)
        wanted = {name for name, revision in ready.items() if revision == chosen}
        settled = self._settling.settled(target, (document.mark, behind, frozenset(wanted)))
        return Traffic(
            written=document.routes,
            acknowledged=settled and behind == wanted and behind <= members,
            healthy=frozenset(name for name, revision in ready.items() if document.routes.pool(revision)),
        )

    async def _ready(self, target: Target) -> dict[str, RevisionId]:
        """Return the pods that a selector would find ready, and whose they are."""
        chosen = f"{names.selector(target)},{names.SERVING}=true"
        path = names.path_of(self._client.namespace, "pods")
        found = await self._client.listed(path, chosen, within=names.TARGET)
        return {
            each["metadata"]["name"]: each["metadata"]["labels"][names.REVISION]
            for each in found
            if "deletionTimestamp" not in each["metadata"]
            and any(
                one["type"] == "Ready" and one["status"] == "True"
                for one in each.get("status", {}).get("conditions", [])
            )
        }

    async def check(self, target: Target) -> None:
        """Refuse a Service that selects the pods of somebody else.

        Raises:
            Refused: If it does, and says what to do.
        """
        with border(f"looking at Service {self._service!r}"):
            found = await self._client.find(self._path)
            if found is not None and not self._ignored:
                refuse_owned(found, "Service", _CHANGED)
            if found is None or Document.of(found) is not None:
                if found is not None:
                    self._prove_ours(target, found)
                return
            selector: dict[str, str] = found["spec"].get("selector") or {}
            if selector:
                wanted = ",".join(f"{key}={value}" for key, value in selector.items())
                pods = await self._client.get(
                    names.path_of(self._client.namespace, "pods"), labelSelector=wanted
                )
                strangers = [
                    each["metadata"]["name"]
                    for each in pods["items"]
                    if each["metadata"]["labels"].get(names.TARGET) != names.label(target)
                ]
                if strangers:
                    raise Refused(
                        f"Service {self._service!r} selects {len(strangers)} pods that are not of {target.id!r}, such as "
                        f"{strangers[0]!r}: give them the label {names.TARGET}={names.label(target)}, or another Service"
                    )

    def _prove_ours(self, target: Target, found: Object) -> None:
        if not _is_ours(target, found):
            raise Refused(f"Service {self._service!r} is another target's: give one Service to each target")

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """Point the Service at the revision that has everything; without a split, at nobody.

        Raises:
            RouterError: If traffic is to be shared, or the API server refuses it.
            Fenced: If a newer epoch was seen.
        """
        if (routes.split is not None and _chosen(routes) is None) or routes.headers or routes.mirror:
            raise RouterError(
                f"a Service gives everything to one revision and cannot share: route {target.id!r} by a Gateway for that"
            )
        with border(f"routing {target.id!r}"):
            await self._entered(target, fence)
            found = await self._client.find(self._path)
            if found is None:
                found = await self._make(target)
                await self._entered(target, fence, now=True)
            elif found["metadata"].get("labels", {}).get(names.TARGET) is None:
                await self.check(target)
                labels = {names.TARGET: names.label(target)}
                meta = {"labels": labels, "resourceVersion": found["metadata"]["resourceVersion"]}
                await self._client.merge(self._path, {"metadata": meta})
            # No place is needed: its own name is the one place there is.
            document = Document(routes, {})
            selector = self._selector(target, routes)

            def change(there: Object) -> Object | None:
                known = dict.fromkeys(there["spec"].get("selector") or {})
                if Document.of(there) == document:
                    return None
                return {
                    "metadata": {"annotations": document.notes()},
                    "spec": {"selector": {**known, **selector}},
                }

            await fencing.guarded(self._client, target, fence, self._path, change)

    async def _make(self, target: Target) -> Object:
        """Create the Service, for nobody yet."""
        meta = {"name": self._service, "labels": {names.TARGET: names.label(target)}}
        spec = {
            "selector": {names.TARGET: names.label(target), names.REVISION: _NOWHERE},
            "ports": self._ports,
        }
        made = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
        return await self._client.create(names.path_of(self._client.namespace, "services"), made)

    def _selector(self, target: Target, routes: Routes) -> dict[str, str]:
        return {
            names.TARGET: names.label(target),
            names.REVISION: _chosen(routes) or _NOWHERE,
            names.SERVING: "true",
        }

    async def _entered(self, target: Target, fence: Fence, *, now: bool = False) -> None:
        async def paths() -> list[str]:
            found = await self._client.find(self._path)
            return [self._path] if found is not None and _is_ours(target, found) else []

        await fencing.entered(self._client, target, fence, "routed", paths, now=now)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:  # noqa: ARG002 -- of any target
        """Return nothing: a Service counts nothing; give a `MetricSource` of the application's."""
        return {}

    async def remove(self, target: Target, fence: Fence) -> None:
        """Delete the Service. Nothing to do is no error.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        with border(f"removing the routes of {target.id!r}"):
            await self._entered(target, fence)
            found = await self._client.find(self._path)
            if found is None or not _is_ours(target, found):
                return
            if await fencing.guarded(self._client, target, fence, self._path, lambda _found: {}) is not None:
                await self._client.delete(self._path)


def _is_ours(target: Target, found: Object) -> bool:
    return bool(found["metadata"].get("labels", {}).get(names.TARGET) == names.label(target))


def _chosen(routes: Routes) -> RevisionId | None:
    """Return the revision that has everything, or ``None``."""
    shares = routes.split.shares if routes.split else {}
    return next((revision for revision, share in shares.items() if share == WHOLE), None)
