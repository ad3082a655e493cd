"""Whom a Service sends requests to, as its EndpointSlices say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairdeploy.routing.kubernetes import names

if TYPE_CHECKING:
    from fairdeploy.routing.kubernetes.client import Client

__all__ = ["endpoints"]

_SERVICE: Final = "kubernetes.io/service-name"


async def endpoints(client: Client, services: set[str]) -> dict[str, frozenset[str]]:
    """Return the pods behind each Service that it sends new requests to: ready, and not being stopped."""
    if not services:
        return {}
    path = names.path_of(client.namespace, "endpointslices")
    found: dict[str, set[str]] = {service: set() for service in services}
    for each in await client.listed(path, _SERVICE):
        service = each["metadata"]["labels"][_SERVICE]
        if service not in services:
            continue
        for endpoint in each.get("endpoints") or []:
            conditions, pod = endpoint.get("conditions", {}), endpoint.get("targetRef", {}).get("name")
            if pod and conditions.get("ready") and not conditions.get("terminating"):
                found[service].add(pod)
    return {service: frozenset(pods) for service, pods in found.items()}
