"""How a namespace is opened: from a URI, and to one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from fairdeploy.backends.kubernetes.journal import ConfigMapJournal
from fairdeploy.errors import InvalidInput
from fairdeploy.journal import naming, open_journal
from fairdeploy.routing.kubernetes.client import Client, connected
from fairdeploy.routing.kubernetes.gateway import GatewayRouter
from fairdeploy.routing.kubernetes.istio import IstioRouter
from fairdeploy.routing.kubernetes.service import ServiceRouter

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.protocols import Journal, TrafficRouter

__all__ = ["Place", "client", "inside", "journal", "place", "refuse_guard", "router", "uri"]

_ONE_OF = frozenset({"gateway", "grpc", "istio", "service", "deployment"})
_OPTIONS = {"kubeconfig", naming.JOURNAL, *_ONE_OF}


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where.

    Args:
        context: Of the kubeconfig; ``None``: the current one.
        namespace: ``None``: the context's.
        kubeconfig: A file, or ``None``.
        gateway: Of a `GatewayRouter`, or ``None``.
        grpc: The same, by GRPCRoutes, or ``None``.
        istio: Of an `IstioRouter`, or ``None``.
        service: Of a `ServiceRouter`, or ``None``.
        deployment: The one that the platform rolls by itself, or ``None``: one for each revision.
        journal: Address of one that is not the namespace's own, or ``None``.
    """

    context: str | None
    namespace: str | None
    kubeconfig: str | None
    gateway: str | None = None
    grpc: str | None = None
    istio: str | None = None
    service: str | None = None
    deployment: str | None = None
    journal: str | None = None


def place(text: str, kubeconfig: str | None, journal: Journal | None = None) -> Place:
    """Read a URI, which may name the journal too.

    Raises:
        InvalidInput: If it is none of ours.
    """
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no URI ({error}): give what Backend.uri says") from error
    steps = [unquote(each) for each in parts.path.strip("/").split("/") if each]
    query = parse_qs(parts.query)
    if parts.scheme != "kubernetes" or len(steps) > 1 or set(query) - _OPTIONS:
        raise InvalidInput(
            f"{text!r} is no place in a cluster: write 'kubernetes://context/namespace', or 'kubernetes://'"
        )
    given = {key: values[0] for key, values in query.items()}
    if len(several := sorted(_ONE_OF & given.keys())) > 1:
        raise InvalidInput(f"{text!r} names {' and '.join(several)}: traffic is moved by one of them")
    return Place(
        unquote(parts.netloc) or None,
        steps[0] if steps else None,
        kubeconfig or given.get("kubeconfig"),
        **{key: given.get(key) for key in _ONE_OF},
        journal=naming.named(given.get(naming.JOURNAL), journal),
    )


def uri(there: Place, reached: Client) -> str:
    """Return the URI by which another program reaches the same namespace."""
    return _uri(there, reached.context, reached.namespace)


def inside(text: str) -> str:
    """Return the URI by which a pod of the namespace reaches what another URI names.

    Raises:
        InvalidInput: If it is none of ours, or names no namespace.
    """
    there = place(text, None)
    if there.namespace is None:
        raise InvalidInput(f"{text!r} names no namespace: give what KubernetesBackend.uri says")
    return _uri(replace(there, kubeconfig=None), "in-cluster", there.namespace)


def _uri(there: Place, context: str, namespace: str) -> str:
    rest = {"kubeconfig": there.kubeconfig, **{key: getattr(there, key) for key in sorted(_ONE_OF)}}
    rest[naming.JOURNAL] = there.journal
    query = urlencode({key: value for key, value in rest.items() if value})
    return f"kubernetes://{quote(context, safe='')}/{quote(namespace)}{'?' * bool(query)}{query}"


def router(there: Place, reached: Client) -> TrafficRouter | None:
    """Return the router that a URI names, or ``None``."""
    if there.gateway is not None:
        return GatewayRouter(reached, there.gateway)
    if there.grpc is not None:
        return GatewayRouter(reached, there.grpc, kind="GRPCRoute")
    if there.istio is not None:
        return IstioRouter(reached, there.istio)
    if there.service is not None:
        return ServiceRouter(reached, there.service)
    return None


def client(there: Place) -> AbstractAsyncContextManager[Client]:
    """Connect."""
    return connected(there.namespace, context=there.context, kubeconfig=there.kubeconfig)


def journal(there: Place, reached: Client) -> AbstractAsyncContextManager[Journal]:
    """Return the journal that a URI names, or the namespace's own, to be entered."""
    return ConfigMapJournal.open(reached) if there.journal is None else open_journal(there.journal)


def refuse_guard(*, guard: bool | None) -> None:
    """Do nothing unless a guard is asked for.

    Raises:
        InvalidInput: If it is: nothing here keeps a process running.
    """
    if guard:
        raise InvalidInput(
            "this backend keeps no guard: run `python -m fairdeploy.guard` yourself, or apply what guard_manifest() prints"
        )
