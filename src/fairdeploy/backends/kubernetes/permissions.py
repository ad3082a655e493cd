"""What a deployer must be allowed: a Role of one namespace, with names, and nothing beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from fairdeploy.backends.kubernetes.journal import NAME
from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    Capability,
    Deployment,
    Drain,
    Instance,
    Release,
    Revision,
    RunJob,
    Split,
)
from fairdeploy.routing.kubernetes import names
from fairdeploy.routing.kubernetes.gateway import KINDS
from fairdeploy.routing.kubernetes.istio import VIRTUAL_SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.model import Target
    from fairdeploy.protocols import Strategy
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["Permissions", "Rule", "required_permissions"]

_APPS: Final = "apps"
_DISCOVERY: Final = "discovery.k8s.io"


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """Some verbs on a resource.

    Args:
        group: Of the API; empty: the core.
        resource: Such as ``deployments`` or ``pods/log``.
        verbs: Such as ``patch``.
        names: Of the objects; none: any of the namespace, as what is created or listed cannot be named.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def asked(self) -> Iterator[tuple[str, str]]:
        """Give each verb with each name."""
        for verb in self.verbs:
            for name in self.names or ("",):
                yield verb, name


@final
@dataclass(frozen=True, slots=True)
class Permissions:
    """What a deployer must be allowed. Printed, it is a manifest for ``kubectl apply -f``.

    Args:
        name: Of the Role.
        rules: What it holds.
    """

    name: str
    rules: tuple[Rule, ...]

    def role(self) -> Object:
        """Return the manifest; its namespace is the one that it is applied to."""
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": self.name},
            "rules": [
                {
                    "apiGroups": [each.group],
                    "resources": [each.resource],
                    "verbs": list(each.verbs),
                    **({"resourceNames": list(each.names)} if each.names else {}),
                }
                for each in self.rules
            ],
        }

    def __str__(self) -> str:
        """Return the manifest as JSON, which is YAML too."""
        return json.dumps(self.role(), indent=2)


def required_permissions(
    strategy: Strategy,
    target: Target,
    *,
    gateway: str | None = None,
    grpc: str | None = None,
    istio: str | None = None,
    service: str | None = None,
    deployment: str | None = None,
    journal: bool = True,
    copy_secrets: bool = False,
) -> Permissions:
    """Return what a strategy needs on a target: nothing of the whole cluster, and Secrets only where they are copied.

    Args:
        strategy: Which.
        target: Where.
        gateway: Of the `GatewayRouter`, if that is what splits traffic.
        grpc: The same, by GRPCRoutes.
        istio: Of the `IstioRouter`, if that is.
        service: Of the `ServiceRouter`, if that is.
        deployment: The one that the platform rolls by itself, if that is how it goes.
        journal: Whether the journal is the ConfigMap of the namespace.
        copy_secrets: As in the settings of pods.

    Raises:
        InvalidInput: If more than one of gateway, grpc, istio, service and deployment is given.
        UnsupportedCapability: If the strategy cannot be carried out by the router.
    """
    routes = ((gateway, KINDS["HTTPRoute"]), (grpc, KINDS["GRPCRoute"]), (istio, VIRTUAL_SERVICE))
    weighted = next((kind for name, kind in routes if name is not None), None)
    given = [each for each in (gateway, grpc, istio, service, deployment) if each is not None]
    if len(given) > 1:
        raise InvalidInput(
            f"{' and '.join(map(repr, given))}: traffic is moved by one gateway, service or deployment"
        )
    base = names.base(target)
    mine = tuple(f"{base}-{colour}" for colour in names.COLOURS)
    books = (base, NAME) if journal else (base,)
    able = _able(
        weighted=weighted is not None, service=service is not None, deployment=deployment is not None
    )
    singly, jobs = _needs(strategy, target, able)
    rules = [
        Rule("", "configmaps", ("create",)),
        Rule("", "configmaps", ("get", "list", "watch", "patch"), books),
        Rule(_APPS, "deployments", ("create", "list", "watch")),
        Rule(_APPS, "deployments", ("get", "patch", "delete"), mine if deployment is None else (deployment,)),
        Rule("", "pods", _on_pods(singly=singly, delegated=deployment is not None)),
        Rule("", "pods/log", ("get",)),
    ]
    if deployment is not None:
        rules.append(Rule(_APPS, "replicasets", ("list", "watch")))
        rules.append(Rule("policy", "poddisruptionbudgets", ("list",)))
        rules.append(Rule(_APPS, "statefulsets", ("get",), (deployment,)))
        if target.replicas is not None:
            rules.append(Rule("autoscaling", "horizontalpodautoscalers", ("list",)))
    if jobs:
        rules.append(Rule("batch", "jobs", ("create", "get", "patch")))
    if copy_secrets:
        rules.append(Rule("", "secrets", ("create",)))
    if weighted is not None:
        rules += [
            Rule(weighted.group, weighted.resource, ("create",)),
            Rule(weighted.group, weighted.resource, ("get", "list", "watch", "patch", "delete"), (base,)),
            Rule("", "services", ("create", "list")),
            Rule("", "services", ("get", "patch", "delete"), mine),
        ]
    if service is not None:
        rules += [
            Rule("", "services", ("create",)),
            Rule("", "services", ("get", "list", "watch", "patch", "delete"), (service,)),
        ]
    if weighted is not None or service is not None:
        rules.append(Rule(_DISCOVERY, "endpointslices", ("list", "watch")))
    return Permissions(f"fairdeploy-{base}", tuple(rules))


def _on_pods(*, singly: bool, delegated: bool) -> tuple[str, ...]:
    """Return the verbs: the platform's own rolling update marks no pods, and stops them by itself."""
    if delegated:
        return ("list", "watch")
    return ("list", "watch", "patch", "delete") if singly else ("list", "watch", "patch")


def _able(*, weighted: bool, service: bool, deployment: bool) -> frozenset[Capability]:
    """Return what the backend declares when it is opened so."""
    if deployment:
        return frozenset({Capability.DELEGATED, Capability.JOBS, Capability.FENCED})
    able = {Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS, Capability.FENCED}
    able |= {Capability.WEIGHTS, Capability.HEADERS} if weighted else set()
    able |= {Capability.SWITCHES} if service else set()
    able |= {Capability.DRAIN_TIMED} if weighted or service else set()
    return frozenset(able)


def _needs(strategy: Strategy, target: Target, able: frozenset[Capability]) -> tuple[bool, bool]:
    """Ask the strategy itself: whether it stops instances one by one, and whether it runs jobs."""
    routed = target.endpoint is not None and bool(able & {Capability.WEIGHTS, Capability.SWITCHES})
    instances = tuple(
        Instance(f"old-{number}", revision="old", address="192.0.2.1:80", ready=True, state="running")
        for number in range(target.replicas or 1)
    )
    standing = Deployment(
        target.id,
        revisions=(Revision("old", replicas=len(instances), instances=instances),),
        stable="old",
        split=Split.all_to("old") if routed else None,
    )
    plan = strategy.plan(Release("new", image="new"), target, standing, able)
    singly = any(isinstance(each, Drain) and each.keep is not None for each in plan.steps)
    return singly, any(isinstance(each, RunJob) for each in plan.steps)
