"""One Service for each place: whoever stands there is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from fairdeploy.routing.kubernetes import fencing, names, slices
from fairdeploy.routing.kubernetes.client import Answered

if TYPE_CHECKING:
    from fairdeploy.model import RevisionId, Routes, Target
    from fairdeploy.protocols import Fence
    from fairdeploy.routing.kubernetes.client import Client, Object
    from fairdeploy.routing.kubernetes.document import Document

__all__ = ["PORT", "Services", "name"]

PORT: Final = 80
"""Of every Service of ours."""


def name(target: Target, colour: str) -> str:
    """Return the name of a place's Service."""
    return f"{names.base(target)}-{colour}"


@final
class Services:
    """The Services of targets.

    Args:
        client: The namespace.
        port: Where pods listen, unless a member's address says so.
        protocol: What they speak, as ``appProtocol``; ``None``: what the gateway takes it for.
    """

    def __init__(self, client: Client, port: int, *, protocol: str | None = None) -> None:
        self._client = client
        self._port = port
        self._protocol: Object = {"appProtocol": protocol} if protocol else {}

    def _path(self, service: str | None = None) -> str:
        return names.path_of(self._client.namespace, "services", service)

    async def paths(self, target: Target) -> list[str]:
        """Return the paths of those there are."""
        found = await self._client.get(self._path(), labelSelector=names.selector(target))
        return [self._path(each["metadata"]["name"]) for each in found["items"]]

    async def behind(self, target: Target, document: Document) -> dict[RevisionId, frozenset[str]]:
        """Return the pods behind each revision's Service."""
        known = await slices.endpoints(
            self._client, {name(target, each) for each in document.places.values()}
        )
        return {revision: known[name(target, colour)] for revision, colour in document.places.items()}

    async def ensure(self, target: Target, document: Document, before: Document | None, fence: Fence) -> None:
        """Point the Service of each place at the revision that stands there."""
        held = {} if before is None else before.places
        for revision, colour in document.places.items():
            if held.get(revision) != colour:
                await self._point(target, revision, colour, fence, self._listening(document.routes, revision))

    def _listening(self, routes: Routes, revision: RevisionId) -> int:
        pool = routes.pool(revision)
        for each in pool.members if pool else ():
            return int(each.address.rpartition(":")[2])
        return self._port

    async def _point(
        self, target: Target, revision: RevisionId, colour: str, fence: Fence, port: int
    ) -> None:
        spec: Object = {
            "selector": {
                names.TARGET: names.label(target),
                names.REVISION: revision,
                names.SERVING: "true",
            },
            "ports": [
                {"name": "http", "port": PORT, "targetPort": port, "protocol": "TCP", **self._protocol}
            ],
        }
        service = name(target, colour)
        path = self._path(service)
        if await fencing.guarded(self._client, target, fence, path, lambda _found: {"spec": spec}) is None:
            notes = {names.EPOCH: str(fence.epoch), names.KEY: fence.key}
            meta = {"name": service, "labels": {names.TARGET: names.label(target)}, "annotations": notes}
            try:
                await self._client.create(
                    self._path(), {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
                )
            except Answered as answer:
                if answer.reason != "AlreadyExists":
                    raise
                await fencing.guarded(self._client, target, fence, path, lambda _found: {"spec": spec})

    async def remove(self, target: Target) -> None:
        """Delete them all."""
        for path in await self.paths(target):
            await self._client.delete(path)
