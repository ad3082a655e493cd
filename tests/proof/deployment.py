"""A program that deploys, to be killed: ``python -m tests.proof.deployment FOLDER ENDPOINT VERSION STRATEGY [guard] [LEASE]``."""

from __future__ import annotations

import functools
import sys

import anyio

from fairdeploy import Approved, BlueGreen, Canary, CheckResult, Deployer, Rolling, Target, Verdict
from fairdeploy.backends.local import LocalBackend
from fairdeploy.model import BoundCheck
from fairdeploy.protocols import HealthCheck, Strategy, Subject
from tests.proof.stage import application

STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=[25, 100], bake=1, keep_warm=0),
    "blue_green": BlueGreen(watch=1, keep_warm=0),
    "rolling": Rolling(max_surge=1),
    "long canary": Canary(steps=[25, 100], bake=600, keep_warm=0),
    "approved": Approved(BlueGreen(watch=0, keep_warm=0), timeout=4),
    "warm": BlueGreen(watch=0, keep_warm=10),
    "resumed": Canary(steps=[25, 100], bake=4, keep_warm=0, analysis=[BoundCheck("fine")], on_crash="resume"),
}


async def fine(_: Subject) -> CheckResult:
    """Pass."""
    return CheckResult(Verdict.PASS)


checks: dict[str, HealthCheck] = {"fine": fine}
"""What a guard needs to go forward with what needs it."""


async def main(folder: str, endpoint: str, version: str, strategy: str, *more: str) -> None:
    """Deploy, and print every event as it comes."""
    guard, lease = (*more, *("", "15")[len(more) :])
    target = Target("shop", replicas=2, endpoint=endpoint, drain_ms=15_000)
    async with LocalBackend.open(folder, guard=bool(guard)) as backend:
        bound = checks if strategy == "resumed" else {}
        deployer = Deployer(backend, checks=bound, lease=float(lease), validate=False)
        plan = await deployer.plan(target, application(version), STRATEGIES[strategy])
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                sys.stdout.write(f"{getattr(event.record, 'step', '')} {event.record.kind}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(functools.partial(main, *sys.argv[1:]))
