"""A program that deploys a release with secrets, to be killed: ``python -m tests.security.deploying FOLDER ENDPOINT TOKEN``."""

from __future__ import annotations

import functools
import logging
import sys
from pathlib import Path

import anyio

from fairdeploy import Canary, Deployer, HTTPProbe, Probes, Release, SecretRef, Target
from fairdeploy.backends.local import LocalBackend

VARIABLE = "FAIRDEPLOY_TEST_PASSWORD"
"""The variable of the deploying process that holds the secret."""

BLURTING = (
    "import os, sys; print('cannot log in with', os.environ['PASSWORD'], os.environ['TOKEN']); sys.exit(3)"
)
"""An application that ends at once, and shows its secrets in its last words."""


def target(endpoint: str) -> Target:
    """Return the target that is deployed to."""
    return Target("shop", replicas=1, endpoint=endpoint, drain_ms=5_000)


def application(version: str, token: Path, *, blurts: bool = False) -> Release:
    """Return a release with a secret from the environment and one from a file."""
    command = [
        sys.executable,
        "-m",
        "fairdeploy.testing.apps.polite",
        "--uds",
        "{uds}",
        "--revision",
        "{revision}",
    ]
    return Release(
        version,
        command=[sys.executable, "-c", BLURTING, "{uds}"] if blurts else command,
        env={"PASSWORD": SecretRef.env(VARIABLE), "TOKEN": SecretRef.file(token)},
        config={"deep/er/app.toml": "debug = true\n"},
        probes=Probes(readiness=HTTPProbe("/health", interval_ms=100)),
        stop_grace_ms=2_000,
    )


async def main(folder: str, endpoint: str, token: str) -> None:
    """Begin a canary that bakes for an hour, and print every event."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    async with LocalBackend.open(folder, guard=True) as backend:
        deployer = Deployer(backend, validate=False)  # its secrets stand in this repository
        plan = await deployer.plan(
            target(endpoint), application("v1", Path(token)), Canary(steps=[25, 100], bake=3_600, keep_warm=0)
        )
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                sys.stdout.write(f"{event!r}\n{event}\n")
                sys.stdout.write(f"at {getattr(event.record, 'step', '')} {event.record.kind}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(functools.partial(main, *sys.argv[1:]))
