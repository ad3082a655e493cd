"""Try on an AWS account what no emulator can show.

    python tools/aws_account.py ecs://eu-central-1/cluster/service --image A --image B --url https://try.example

It deploys two images to a service that is there already, forward and back, and says what it saw. It costs what two more
tasks cost for some minutes. Take a service that nobody uses, behind an Application Load Balancer with two target
groups in its forward action (100 and 0); `--url` is where visitors come in. With `?delegated=yes` in the URI ECS itself
rolls it out. It has been run on no account yet.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import anyio

from fairdeploy import Canary, Delegated, Deployer, Release, Target
from fairdeploy.backends.ecs import ECSBackend, Place
from fairdeploy.testing.load import LoadProcess, load_process

_RATE = 20.0
"""Requests a second: enough to see a share of 10 % within a minute, and no burden."""


async def tried(options: argparse.Namespace) -> int:
    """Deploy one image, then the other, then go back; return how many things were not as they should be."""
    place = Place.parse(options.uri)
    endpoint = None if place.delegated or options.url is None else options.url.partition("://")[2]
    target = Target("account-test", endpoint=endpoint, plaintext=True, drain_ms=30_000)
    how = Delegated(analysis=()) if place.delegated else Canary(steps=(10, 50, 100), bake=60, analysis=())
    wrong = 0
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(ECSBackend.open(place))
        print("stable, as it was found:", await backend.adopt(target))
        deployer = Deployer(backend)
        load = await stack.enter_async_context(visitors(options.url)) if options.url else None
        for number, image in enumerate(options.image):
            env = {"FAIRDEPLOY_TRY": str(number), "PORT": "{port}"}
            result = await deployer.deploy(target, Release(f"try-{number}", image=image, env=env), how)
            print(result)
            wrong += not result.promoted
        result = await deployer.rollback(target)
        print(result)
        wrong += not result.promoted
        if load is not None:
            report = load.snapshot()
            print(report)
            wrong += bool(report.lost)
    return wrong


def visitors(url: str) -> AbstractAsyncContextManager[LoadProcess]:
    """Let visitors come while the block runs."""
    host = url.partition("://")[2].partition("/")[0].partition(":")[0]
    return load_process(url, rate=_RATE, allow_hosts=[host])


def main() -> int:
    """Read the command line, and try."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("uri", help="the service, such as ecs://eu-central-1/cluster/service")
    parser.add_argument("--image", action="append", required=True, help="by digest; give two")
    parser.add_argument("--url", help="where visitors come in; without it nobody is sent")
    return anyio.run(tried, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
