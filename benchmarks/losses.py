"""Requests lost while weights change under load, without client retries."""

from __future__ import annotations

import argparse
import random

import anyio

from _bare import bare_envoy
from _figures import say, title
from _stage import application, stage
from fairdeploy.testing.load import LoadReport, LoadSettings, keep_alive, load_process, new_connection, post

MIX = (keep_alive(weight=60), new_connection(weight=25), post(weight=15))
SETTINGS = LoadSettings(max_requests=200_000, max_in_flight=2_000)


def told(report: LoadReport) -> str:
    """Return what a line says of a load."""
    return f"{report.lost} of {report.requests}"


async def main(changes: int, rate: float, pause: float) -> None:
    """Print the figures."""
    chance = random.Random(7)
    shares = tuple(chance.randrange(0, 10_001) for _ in range(changes))
    releases = [application("1"), application("2")]
    async with stage(replicas=2) as on:
        await on.begin(releases[0])
        names = await on.beside(releases[1])
        written = (await on.router.observe(on.target)).written
        if written is None:
            raise AssertionError
        addresses = {pool.revision: pool.members[0].address for pool in written.pools}
        async with load_process(on.url, mix=MIX, rate=rate, settings=SETTINGS) as load:
            for begin in range(0, changes, 10):
                async with on.deployer.run(
                    await on.shifts(releases[1], shares[begin : begin + 10])
                ) as rollout:
                    result = await rollout.result()
                    if not result.promoted:
                        raise SystemExit(str(result))
                await anyio.sleep(pause * 10)
        ours = load.report()
        counters = await on.router.counters(on.target)
        async with bare_envoy(on.folder.parent / "bare", addresses) as envoy:
            url = f"http://127.0.0.1:{envoy.port}"
            async with load_process(url, mix=MIX, rate=rate, settings=SETTINGS) as load:
                for share in shares:
                    envoy.write({names[0]: 10_000 - share, names[1]: share})
                    await anyio.sleep(pause)
            peer = load.report()
        title(f"{changes} weight changes under {rate:g} requests/s: keep-alive, new connections, POST")
        say("requests lost", told(ours), budget="0", beside=f"bare Envoy, file swaps: {told(peer)}")
        say("router retries on the way", str(sum(each.retries for each in counters.values())))
        say("errors of the application", str(ours.app_errors), beside=str(peer.app_errors))
        for loss in ours.lost_requests[:5]:
            print(f"    {loss}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--rate", type=float, default=400)
    parser.add_argument("--pause", type=float, default=0.3, help="seconds per change")
    found = parser.parse_args()
    anyio.run(main, found.changes, found.rate, found.pause)
