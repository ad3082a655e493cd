"""Traffic by the weights of an HTTPRoute or GRPCRoute of the Gateway API, whoever carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Capability
from fairdeploy.routing.kubernetes import services
from fairdeploy.routing.kubernetes._hostname import hostname
from fairdeploy.routing.kubernetes.weighted import MARKED, Kind, Weighted, redirects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Counters, HeaderRoute, RevisionId, Routes, Target, Traffic
    from fairdeploy.protocols import Fence
    from fairdeploy.routing.kubernetes.client import Client, Object
    from fairdeploy.routing.kubernetes.document import Document

__all__ = ["KINDS", "GatewayRouter"]

_API: Final = "gateway.networking.k8s.io/v1"
KINDS: Final = {name: Kind(api=_API, name=name, what="Gateway API") for name in ("HTTPRoute", "GRPCRoute")}


@final
class GatewayRouter:
    """Divides traffic by a route of our own, ``app-environment``, on a Gateway that is there.

    Each revision with a pool stands behind a Service ``app-environment-blue``, ``-green``, ``-amber`` or ``-coral``; none
    that has traffic is ever pointed at other pods. What `observe` calls acknowledged was seen at the data plane: beside
    its weights an HTTPRoute holds a rule that redirects ``/.well-known/fairdeploy/<name of this writing>``, and the
    gateway has answered it over several connections. ``Accepted`` in its status would only mean that it was read.
    A GRPCRoute cannot redirect: there ``Accepted`` for exactly this generation must do, and the time that ``settle`` says.

    The host of a target's endpoint is the route's hostname, unless it is an address: then the route is for all.

    Args:
        client: The namespace; see `KubernetesBackend.client`.
        gateway: Name of the Gateway; ``namespace/name`` if it is elsewhere.
        listener: Which of its listeners; ``None``: all.
        port: Where pods listen that do not say so in a member's address.
        settle: Seconds that the endpoints must have stayed as they are before they count as known to the
            gateway, whose own view of them cannot be asked. Traefik gathers changes for 2 s unless told otherwise.
        kind: ``GRPCRoute`` for pods that speak gRPC without TLS.

    Raises:
        InvalidInput: If there is no such kind.
    """

    def __init__(
        self,
        client: Client,
        gateway: str,
        *,
        listener: str | None = None,
        port: int = 8000,
        settle: float = 2.0,
        kind: Literal["HTTPRoute", "GRPCRoute"] = "HTTPRoute",
    ) -> None:
        if kind not in KINDS:
            raise InvalidInput(f"kind {kind!r} is no route of the Gateway API: give one of {sorted(KINDS)!r}")
        self._gateway = gateway
        self._listener = listener
        self._grpc = kind == "GRPCRoute"
        self._weighted = Weighted(
            client,
            KINDS[kind],
            backing=services.Services(client, port, protocol="kubernetes.io/h2c" if self._grpc else None),
            settle=settle,
            spec=self._spec,
            serves=self._accepted if self._grpc else redirects,
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Weights and headers; drains by the clock, as a gateway does not say what is in flight."""
        return frozenset({Capability.WEIGHTS, Capability.HEADERS, Capability.DRAIN_TIMED})

    async def observe(self, target: Target) -> Traffic:
        """Return what was written, whether the gateway serves by it, and which pods it would send requests to.

        Raises:
            RouterError: If the API server cannot be asked.
        """
        return await self._weighted.observe(target)

    async def check(self, target: Target) -> None:
        """Refuse a cluster without the Gateway API, and a route that somebody else owns.

        Raises:
            Refused: If so.
        """
        await self._weighted.check(target)

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """Write the Services, then the route with the document on it.

        Raises:
            Refused: If the route is owned by somebody else, or it is not allowed.
            Fenced: If a newer epoch was seen.
            RouterError: If the API server refuses it, or no place is free yet.
        """
        await self._weighted.apply(target, routes, fence)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:  # noqa: ARG002 -- of any target
        """Return nothing: the Gateway API has no counters; give a `MetricSource` of the gateway's."""
        return {}

    async def remove(self, target: Target, fence: Fence) -> None:
        """Delete the route, then the Services. Nothing to do is no error.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        await self._weighted.remove(target, fence)

    def _spec(self, target: Target, document: Document) -> Object:
        namespace, _, name = self._gateway.rpartition("/")
        parent = {"name": name, **({"namespace": namespace} if namespace else {})}
        if self._listener:
            parent["sectionName"] = self._listener
        rules = [] if self._grpc else [_mark(document)]
        rules += [self._header(target, document, each) for each in document.routes.headers]
        if document.places:
            shares = document.shares
            refs = [
                self._ref(target, colour, shares.get(revision, 0))
                for revision, colour in document.places.items()
            ]
            rules.append({"backendRefs": refs})
        spec: Object = {"parentRefs": [parent], "rules": rules}
        if (host := hostname(target)) is not None:
            spec["hostnames"] = [host]
        return spec

    def _header(self, target: Target, document: Document, rule: HeaderRoute) -> Object:
        match = {"headers": [{"type": "Exact", "name": rule.name, "value": rule.value}]}
        return {"matches": [match], "backendRefs": [self._ref(target, document.places[rule.revision], 1)]}

    def _ref(self, target: Target, colour: str, weight: int) -> Object:
        return {"name": services.name(target, colour), "port": services.PORT, "weight": weight}

    async def _accepted(self, _target: Target, _document: Document, found: Object) -> bool:
        """Whether a gateway says of exactly this writing that it has taken it."""
        conditions = [
            condition
            for parent in found.get("status", {}).get("parents", [])
            if parent["parentRef"]["name"] == self._gateway.rpartition("/")[2]
            for condition in parent.get("conditions", [])
        ]
        return any(
            each["type"] == "Accepted"
            and each["status"] == "True"
            and each.get("observedGeneration", 0) >= found["metadata"]["generation"]
            for each in conditions
        )


def _mark(document: Document) -> Object:
    """Return the rule by which a gateway says which document it serves by."""
    redirect = {
        "hostname": "fairdeploy.invalid",
        "path": {"type": "ReplaceFullPath", "replaceFullPath": f"/{document.mark}"},
        "statusCode": 302,
    }
    return {
        "matches": [{"path": {"type": "Exact", "value": f"{MARKED}/{document.mark}"}}],
        "filters": [{"type": "RequestRedirect", "requestRedirect": redirect}],
    }
