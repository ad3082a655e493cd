"""What routers by weights share: one object that divides traffic between the Services of revisions, and the document on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import httpx

from fairdeploy.errors import Refused
from fairdeploy.model import Traffic
from fairdeploy.routing.kubernetes import fencing, names
from fairdeploy.routing.kubernetes._border import border
from fairdeploy.routing.kubernetes._settling import Settling
from fairdeploy.routing.kubernetes.document import Document
from fairdeploy.system.web import web_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.model import Routes, Target
    from fairdeploy.protocols import Fence
    from fairdeploy.routing.kubernetes.client import Client, Object
    from fairdeploy.routing.kubernetes.services import Services

__all__ = ["MARKED", "Kind", "Weighted", "redirects"]

MARKED: Final = "/.well-known/fairdeploy"
"""Where a router that is asked says by which document it serves."""
_ASKED: Final = 3
"""Connections over which a router is asked which document it serves by: it may be several."""
_SECONDS: Final = 2.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object that divides traffic.

    Args:
        api: Group and version, such as ``gateway.networking.k8s.io/v1``.
        name: Such as ``HTTPRoute``.
        what: What brings it into a cluster, for who has none.
    """

    api: str
    name: str
    what: str

    @property
    def resource(self) -> str:
        """Its plural, as paths and Roles have it."""
        return f"{self.name.lower()}s"

    @property
    def group(self) -> str:
        """Its API group."""
        return self.api.partition("/")[0]


@final
class Weighted:
    """One object of a kind for each target, called ``app-environment``, written by server-side apply.

    Args:
        client: The namespace.
        kind: What divides traffic.
        backing: The Services of revisions.
        settle: Seconds that the endpoints must have stayed as they are.
        spec: From a target and a document to what the object asks for.
        serves: Whether a target is served by a document already; given the object too.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        *,
        backing: Services,
        settle: float,
        spec: Callable[[Target, Document], Object],
        serves: Callable[[Target, Document, Object], Awaitable[bool]],
    ) -> None:
        self._client = client
        self._kind = kind
        self._services = backing
        self._settling = Settling(settle)
        self._spec = spec
        self._serves = serves

    def _path(self, target: Target) -> str:
        return names.path_of(self._client.namespace, self._kind.resource, names.base(target))

    async def observe(self, target: Target) -> Traffic:
        """See `TrafficRouter.observe`."""
        with border(f"looking at the routes of {target.id!r}"):
            found = await self._client.known(self._path(target))
            document = Document.of(found)
            if found is None or document is None:
                return Traffic()
            behind = await self._services.behind(target, document)
        healthy = frozenset().union(*behind.values())
        members = {each.instance for pool in document.routes.pools for each in pool.members}
        settled = self._settling.settled(target, (document.mark, frozenset(behind.items())))
        # Endpoints that the document does not know are on their way out, and the router may not know that yet.
        good = settled and healthy <= members
        return Traffic(
            written=document.routes,
            acknowledged=good and await self._serves(target, document, found),
            healthy=healthy if settled else frozenset(),
        )

    async def check(self, target: Target) -> None:
        """Refuse a cluster without such a kind, and an object that somebody else owns.

        Raises:
            Refused: If so.
        """
        kind = self._kind
        with border(f"looking at the routes of {target.id!r}"):
            groups = {each["name"] for each in (await self._client.get("/apis"))["groups"]}
            if kind.group not in groups:
                raise Refused(
                    f"the cluster {self._client.context!r} has no {kind.what}: install its CRDs and a controller, "
                    "or route by a Service"
                )
            found = await self._client.find(self._path(target))
        if found and found["metadata"].get("labels", {}).get(names.TARGET) != names.label(target):
            raise Refused(
                f"{kind.name} {names.base(target)!r} in namespace {self._client.namespace!r} is owned by somebody "
                "else: rename it, or the target"
            )

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """Write the Services, then the object with the document on it."""
        with border(f"routing {target.id!r}"):
            await self._entered(target, fence)
            before = Document.of(await self._client.find(self._path(target)))
            document = Document.placed(routes, before)
            await self._services.ensure(target, document, before, fence)
            await self._write(target, document, fence)

    async def _entered(self, target: Target, fence: Fence, *, now: bool = False) -> None:
        async def paths() -> list[str]:
            return [self._path(target), *await self._services.paths(target)]

        await fencing.entered(self._client, target, fence, "routed", paths, now=now)

    async def _write(self, target: Target, document: Document, fence: Fence) -> None:
        path = self._path(target)

        def change(found: Object) -> Object | None:
            return None if Document.of(found) == document else self._object(target, document)

        async def written() -> Object | None:
            return await fencing.guarded(self._client, target, fence, path, change, write=self._client.apply)

        if await written() is None:
            # Without a document it sends nobody anywhere: that follows under the fence.
            made = self._object(target, Document(type(document.routes)(), {}))
            made["metadata"].pop("annotations")
            await self._client.create(names.path_of(self._client.namespace, self._kind.resource), made)
            await self._entered(target, fence, now=True)
            await written()

    def _object(self, target: Target, document: Document) -> Object:
        meta = {
            "name": names.base(target),
            "labels": {names.TARGET: names.label(target)},
            "annotations": document.notes(),
        }
        spec = self._spec(target, document)
        return {"apiVersion": self._kind.api, "kind": self._kind.name, "metadata": meta, "spec": spec}

    async def remove(self, target: Target, fence: Fence) -> None:
        """Delete the object, then the Services. Nothing to do is no error."""
        with border(f"removing the routes of {target.id!r}"):
            await self._entered(target, fence)
            path = self._path(target)
            if await fencing.guarded(self._client, target, fence, path, lambda _found: {}) is not None:
                await self._client.delete(path)
            await self._services.remove(target)


async def redirects(target: Target, document: Document, _found: Object) -> bool:
    """Ask a router itself whether this is the document that it serves by: it redirects who asks for its mark."""
    if target.endpoint is None:
        return True
    scheme = "http" if target.tls is None else "https"
    for _ in range(_ASKED):
        async with web_client(verify=False) as asking:  # nothing is trusted that it says
            try:
                said = await asking.get(
                    f"{scheme}://{target.endpoint}{MARKED}/{document.mark}", timeout=_SECONDS
                )
            except httpx.HTTPError:
                return False
        if said.headers.get("location", "").rpartition("/")[2] != document.mark:
            return False
    return True
