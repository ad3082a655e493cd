"""All files of a state, each with its version, in the order in which they are safe to write. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.routing.envoy.clusters import clusters, eds_file, endpoints
from fairdeploy.routing.envoy.document import Doc, document
from fairdeploy.routing.envoy.listeners import CDS, LDS, RDS, SDS, listeners, secret
from fairdeploy.routing.envoy.routes import route_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.routing.envoy.state import Place, State

__all__ = ["Document", "cluster_file", "listener_file", "member_file", "route_file", "secret_file", "whole"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file that Envoy watches.

    Args:
        file: Its name in the target's folder.
        subject: The prefix of Envoy's statistics about it; empty if Envoy tells nothing.
        version: What Envoy reports once it has taken it.
        content: What stands in the file.
    """

    file: str
    subject: str
    version: str
    content: bytes


def cluster_file(state: State) -> Document:
    """Return which clusters there are."""
    return _document(CDS, "cluster_manager.cds", clusters(state.places))


def member_file(place: Place, *, empty: bool = False) -> Document:
    """Return a place's members, or its file without any: a new cluster must not wait for their checks."""
    resource = endpoints(place)
    if empty:
        resource["endpoints"] = []
    return _document(eds_file(place), f"cluster.{place.name}", [resource])


def route_file(state: State) -> Document:
    """Return the route table. Its version is the serial, which Envoy's workers hand back too."""
    return _document(RDS, "http.main.rds.main", [route_table(state)], version=str(state.serial))


def listener_file(state: State) -> Document:
    """Return where Envoy listens."""
    return _document(LDS, "listener_manager.lds", listeners(state))


def secret_file(state: State) -> Document | None:
    """Return where the certificate lies, or ``None`` without TLS."""
    return _document(SDS, "", [secret(state.tls)]) if state.tls else None


def whole(state: State) -> list[Document]:
    """Return every file, in an order that is safe: what is named comes before what names it."""
    named = [member_file(place) for place in state.places]
    kept = secret_file(state)
    return [*named, cluster_file(state), route_file(state), *([kept] if kept else []), listener_file(state)]


def _document(file: str, subject: str, resources: Sequence[Doc], version: str | None = None) -> Document:
    version, content = document(resources, version)
    return Document(file=file, subject=subject, version=version, content=content)
