"""A program that deploys, to be killed: ``python -m tests.proof.deployment FOLDER ENDPOINT VERSION STRATEGY``."""

from __future__ import annotations

import functools
import sys

import anyio

from fairdeploy import BlueGreen, Canary, Deployer, Rolling, Target
from fairdeploy.backends.local import LocalBackend
from fairdeploy.protocols import Strategy
from tests.proof.stage import application

STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=[25, 100], bake=1, keep_warm=0),
    "blue_green": BlueGreen(watch=1, keep_warm=0),
    "rolling": Rolling(max_surge=1),
}


async def main(folder: str, endpoint: str, version: str, strategy: str) -> None:
    """Deploy, and print every event as it comes."""
    target = Target("shop", replicas=2, endpoint=endpoint, drain_ms=15_000)
    async with LocalBackend.open(folder) as backend:
        deployer = Deployer(backend)
        plan = await deployer.plan(target, application(version), STRATEGIES[strategy])
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                sys.stdout.write(f"{getattr(event.record, 'step', '')} {event.record.kind}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(functools.partial(main, *sys.argv[1:]))
