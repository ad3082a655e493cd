"""Traffic by the weights of a VirtualService of Istio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from fairdeploy.model import Capability
from fairdeploy.routing.kubernetes import services
from fairdeploy.routing.kubernetes._hostname import hostname
from fairdeploy.routing.kubernetes.weighted import MARKED, Kind, Weighted, redirects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Counters, RevisionId, Routes, Target, Traffic
    from fairdeploy.protocols import Fence
    from fairdeploy.routing.kubernetes.client import Client, Object
    from fairdeploy.routing.kubernetes.document import Document

__all__ = ["VIRTUAL_SERVICE", "IstioRouter"]

VIRTUAL_SERVICE: Final = Kind(api="networking.istio.io/v1", name="VirtualService", what="Istio")


@final
class IstioRouter:
    """Divides traffic by a VirtualService of our own, ``app-environment``, on a Gateway of Istio's that is there.

    Otherwise as `GatewayRouter`: a Service for each revision, and acknowledged once the gateway redirects who asks for
    the name of this writing. Made by Istio's reference and tested on an API server; no Istio was run.

    Args:
        client: The namespace; see `KubernetesBackend.client`.
        gateway: Name of Istio's Gateway; ``namespace/name`` if it is elsewhere.
        port: Where pods listen that do not say so in a member's address.
        settle: See `GatewayRouter`.
    """

    def __init__(self, client: Client, gateway: str, *, port: int = 8000, settle: float = 2.0) -> None:
        self._gateway = gateway
        self._weighted = Weighted(
            client,
            VIRTUAL_SERVICE,
            backing=services.Services(client, port),
            settle=settle,
            spec=self._spec,
            serves=redirects,
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Weights and headers; drains by the clock."""
        return frozenset({Capability.WEIGHTS, Capability.HEADERS, Capability.DRAIN_TIMED})

    async def observe(self, target: Target) -> Traffic:
        """Return what was written, whether the gateway serves by it, and which pods it would send requests to.

        Raises:
            RouterError: If the API server cannot be asked.
        """
        return await self._weighted.observe(target)

    async def check(self, target: Target) -> None:
        """Refuse a cluster without Istio, and a VirtualService that somebody else owns.

        Raises:
            Refused: If so.
        """
        await self._weighted.check(target)

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """Write the Services, then the VirtualService with the document on it.

        Raises:
            Refused: If it is owned by somebody else, or it is not allowed.
            Fenced: If a newer epoch was seen.
            RouterError: If the API server refuses it, or no place is free yet.
        """
        await self._weighted.apply(target, routes, fence)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:  # noqa: ARG002 -- of any target
        """Return nothing: give a `MetricSource` of Istio's."""
        return {}

    async def remove(self, target: Target, fence: Fence) -> None:
        """Delete the VirtualService, then the Services. Nothing to do is no error.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        await self._weighted.remove(target, fence)

    def _spec(self, target: Target, document: Document) -> Object:
        shares = document.shares
        parts = [
            _to(target, colour, shares[revision])
            for revision, colour in document.places.items()
            if shares.get(revision)
        ]
        rules = [_mark(document)]
        for each in document.routes.headers:
            match = {"headers": {each.name: {"exact": each.value}}}
            rules.append({"match": [match], "route": [_to(target, document.places[each.revision], 1)]})
        # Istio takes no weights that are all nothing: whoever is sent nowhere is told so, as a Gateway would.
        rules.append({"route": parts} if parts else {"directResponse": {"status": 503}})
        return {"hosts": [hostname(target) or "*"], "gateways": [self._gateway], "http": rules}


def _to(target: Target, colour: str, weight: int) -> Object:
    port = {"number": services.PORT}
    return {"destination": {"host": services.name(target, colour), "port": port}, "weight": weight}


def _mark(document: Document) -> Object:
    """Return the rule by which a gateway says which document it serves by."""
    redirect = {"uri": f"/{document.mark}", "authority": "fairdeploy.invalid", "redirectCode": 302}
    return {"match": [{"uri": {"exact": f"{MARKED}/{document.mark}"}}], "redirect": redirect}
