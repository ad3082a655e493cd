"""An application in a real cluster behind a real gateway, and a program that deploys it, to be killed."""

from __future__ import annotations

import functools
import sys
from contextlib import AbstractAsyncContextManager

import anyio

from fairdeploy import BlueGreen, Canary, Deployer, HTTPProbe, Probes, Release, Rolling, Target
from fairdeploy.backends.kubernetes import KubernetesBackend
from fairdeploy.protocols import Strategy
from fairdeploy.routing.kubernetes.gateway import GatewayRouter

APP = "fairdeploy/app:1"
GATEWAY = "default/web"
STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=[25, 50, 100], bake=2, keep_warm=0, analysis=()),
    "blue_green": BlueGreen(watch=2, keep_warm=0, analysis=()),
    "rolling": Rolling(max_surge=1, analysis=()),
}


def application(version: str, style: str = "abrupt", **env: str) -> Release:
    """Return a release of `tools/kubernetes/app`; an abrupt one exits at once when it is told to stop."""
    return Release(
        version,
        image=APP,
        env={"REVISION": "{revision}", "STYLE": style, "PORT": "{port}", **env},
        probes=Probes(readiness=HTTPProbe("/health", interval_ms=1_000)),
        stop_grace_ms=5_000,
    )


def target(endpoint: str) -> Target:
    """Return where it is deployed."""
    return Target("shop", replicas=2, endpoint=endpoint, drain_ms=3_000, stream_drain_ms=3_000)


def opened(namespace: str, kubeconfig: str) -> AbstractAsyncContextManager[KubernetesBackend]:
    """Open the namespace, routed by the gateway."""
    return KubernetesBackend.open(
        f"kubernetes:///{namespace}",
        kubeconfig=kubeconfig,
        router=lambda client: GatewayRouter(client, GATEWAY),
    )


async def main(namespace: str, kubeconfig: str, endpoint: str, version: str, strategy: str) -> None:
    """Deploy, and print every event as it comes."""
    async with opened(namespace, kubeconfig) as backend:
        deployer = Deployer(backend, lease=5, validate=False)
        plan = await deployer.plan(target(endpoint), application(version), STRATEGIES[strategy])
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                sys.stdout.write(f"{getattr(event.record, 'step', '')} {event.record.kind}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(functools.partial(main, *sys.argv[1:]))
