"""What a cluster lets one look at before anything moves."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.protocols import Validation

if TYPE_CHECKING:
    from fairdeploy.backends.kubernetes.permissions import Permissions
    from fairdeploy.protocols import Scene
    from fairdeploy.routing.kubernetes.client import Client, Object

__all__ = ["denied", "validations"]

_AT_ONCE = 8


async def denied(client: Client, permissions: Permissions) -> tuple[str, ...]:
    """Ask the API server, by SelfSubjectAccessReviews, what of this is not allowed; say it as people do."""
    lacking: list[str] = []
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def ask(group: str, resource: str, verb: str, name: str) -> None:
        plain, _, part = resource.partition("/")
        attributes: Object = {
            "namespace": client.namespace,
            "group": group,
            "resource": plain,
            "subresource": part,
            "verb": verb,
            "name": name,
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        async with limit:
            said = await client.create(
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                {**review, "spec": {"resourceAttributes": attributes}},
            )
        if not said["status"].get("allowed"):
            lacking.append(f"{verb} {resource}" + (f" {name!r}" if name else ""))

    async with anyio.create_task_group() as tasks:
        for rule in permissions.rules:
            for verb, name in rule.asked():
                tasks.start_soon(ask, rule.group, rule.resource, verb, name)
    return tuple(sorted(lacking))


def validations(
    client: Client,
    permissions: Permissions | None,
    pre_stop: int,
    rolled: Callable[[Scene], Awaitable[tuple[str, Object]]] | None,
) -> tuple[Validation, ...]:
    """Return what can be looked at here.

    Args:
        client: The namespace.
        permissions: What must be allowed, or ``None``.
        pre_stop: Seconds that pods of ours wait when they are stopped.
        rolled: The name of the Deployment that the platform rolls, and the pod template that it would get, or ``None``.
    """

    async def allowed(_scene: Scene) -> Sequence[Finding]:
        if permissions is None:
            return ()
        lacking = await denied(client, permissions)
        return [
            Finding(
                "kubernetes permissions",
                aspect=Aspect.PERMISSIONS,
                severity=Severity.CRITICAL,
                passed=not lacking,
                message=f"not allowed in namespace {client.namespace!r}: {', '.join(lacking)}"
                if lacking
                else f"all that is needed is allowed in namespace {client.namespace!r}",
                remedy=f"grant the Role {permissions.name!r} that required_permissions() prints"
                if lacking
                else "",
            )
        ]

    async def stopping(scene: Scene) -> Sequence[Finding]:
        if rolled is not None:
            return [_readiness(scene), _leaving(*await rolled(scene))]
        return [_readiness(scene), *([_grace(scene, pre_stop)] if pre_stop else [])]

    return (
        Validation("kubernetes permissions", aspect=Aspect.PERMISSIONS, look=allowed),
        Validation("kubernetes probes", aspect=Aspect.CONFIGURATION, look=stopping),
    )


def _readiness(scene: Scene) -> Finding:
    asked = scene.release.probes.readiness is not None or not scene.release.serves
    return Finding(
        "kubernetes readiness",
        aspect=Aspect.CONFIGURATION,
        severity=Severity.WARNING,
        passed=asked,
        message="the release says how its instances are asked whether they are ready"
        if asked
        else "nobody asks whether an instance is ready: it gets traffic as soon as its process runs",
        remedy="" if asked else "give probes=Probes(readiness=HTTPProbe('/health'))",
    )


_LEAVE: Final = 5
"""Seconds of preStop that are offered: a Service's endpoints are known to every node within that, as a rule."""


def _leaving(deployment: str, template: Object) -> Finding:
    """Look at how a pod leaves where the platform orders it: told to stop while it is still sent requests."""
    spec = template["spec"]
    main = spec["containers"][0]
    grace = spec.get("terminationGracePeriodSeconds", 30)
    before = main.get("lifecycle", {}).get("preStop")
    waits = (before or {}).get("sleep", {}).get("seconds", 0)
    enough = before is not None and grace > waits
    changed = {"name": main["name"], "lifecycle": {"preStop": {"sleep": {"seconds": waits or _LEAVE}}}}
    inner = {"terminationGracePeriodSeconds": max(grace, 2 * (waits or _LEAVE)), "containers": [changed]}
    patch = {"spec": {"template": {"spec": inner}}}
    return Finding(
        "kubernetes preStop",
        aspect=Aspect.CONFIGURATION,
        severity=Severity.WARNING,
        passed=enough,
        message=f"a pod that is stopped waits {waits} s before it is told, and has {grace} s for all of it"
        if enough
        else f"a pod of {deployment!r} is told to stop while it is still sent requests, with {grace} s for all of it",
        remedy=""
        if enough
        else f"give PodSettings(pre_stop={_LEAVE}), or: kubectl patch deployment {deployment} --patch '{json.dumps(patch)}'",
        evidence=None if enough else {"patch": json.dumps(patch)},
    )


def _grace(scene: Scene, pre_stop: int) -> Finding:
    enough = scene.release.stop_grace_ms >= 1_000
    return Finding(
        "kubernetes grace",
        aspect=Aspect.CONFIGURATION,
        severity=Severity.WARNING,
        passed=enough,
        message=f"after {pre_stop} s of preStop an instance has {scene.release.stop_grace_ms / 1000:g} s to finish",
        remedy="" if enough else "raise stop_grace_ms to what your longest request takes",
    )
