"""From the write of a routing document to the first request that the new revision answers."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import anyio

from _bare import bare_envoy
from _figures import ms, say, title
from _stage import Stage, application, monotonic, stage
from _visitor import RENAMED, changes, first, visitor
from fairdeploy import Release
from fairdeploy.model import Intended, Settled, Split
from fairdeploy.protocols import Fence

REST_S = 0.06
"""Between two switches: the one before must be over, whatever the machine is doing."""
NEWEST = Fence(epoch=1_000_000, key="benchmark")


async def bare(folder: Path, addresses: dict[str, str], switches: int) -> list[float]:
    """Return the times of a bare Envoy, in milliseconds, from before its file is written."""
    names, wrote = list(addresses), []
    async with bare_envoy(folder, addresses) as envoy:
        async with visitor(envoy.port, envoy.routes, folder / "visitor.log"):
            for number in range(1, switches + 1):
                to = names[number % 2]
                wrote.append((time.monotonic(), to))
                envoy.write({name: int(name == to) for name in names})
                await anyio.sleep(REST_S)
        seen = changes(folder / "visitor.log")
    return [(first(seen, to, at) - at) * 1000 for at, to in wrote]


async def ours(on: Stage, revisions: tuple[str, str], switches: int) -> dict[str, list[float]]:
    """Return the times of our router, in milliseconds."""
    written = (await on.router.observe(on.target)).written
    if written is None:
        raise AssertionError
    wrote, took = [], []
    log = on.folder.parent / "router.log"
    async with visitor(int(str(on.target.endpoint).rpartition(":")[2]), _routes(on), log):
        for number in range(1, switches + 1):
            to = revisions[number % 2]
            at = time.monotonic()
            await on.router.apply(on.target, replace(written, split=Split.all_to(to)), NEWEST)
            took.append((time.monotonic() - at) * 1000)
            wrote.append((at, to))
            await anyio.sleep(REST_S)
    seen = changes(log)
    # The visitor looks at the file after each answer: what it noticed the other way round was no later.
    renamed = [max(0.0, first(seen, to, at) - first(seen, RENAMED, at)) * 1000 for at, to in wrote]
    return {
        "call": [(first(seen, to, at) - at) * 1000 for at, to in wrote],
        "rename": renamed,
        "returned": took,
    }


async def engine(on: Stage, release: Release, switches: int) -> dict[str, list[float]]:
    """Return the times of a rollout's shifts, in milliseconds, from the record of the intent."""
    shares = tuple(10_000 if number % 2 else 0 for number in range(1, switches + 1))
    plan = await on.shifts(release, shares)
    base = plan.bases[0]
    log = on.folder.parent / "engine.log"
    port = int(str(on.target.endpoint).rpartition(":")[2])
    async with visitor(port, _routes(on), log), on.deployer.run(plan) as rollout:
        events = [event async for event in rollout.events()]
    seen = changes(log)
    intents = {e.record.step: monotonic(e.at_ms) for e in events if isinstance(e.record, Intended)}
    ends = {e.record.step: monotonic(e.at_ms) for e in events if isinstance(e.record, Settled)}
    answered = []
    for number, share in enumerate(shares, 1):
        at = intents[f"shift-{number}"]
        until = ends[f"shift-{number}"] + REST_S
        to = str(base.candidate if share else base.stable)
        # The next shift follows at once: a revision that nobody met in between is no sample.
        answered += [
            (change.at - at) * 1000 for change in seen if at <= change.at < until and change.what == to
        ][:1]
    return {"answered": answered, "settled": [(ends[step] - intents[step]) * 1000 for step in intents]}


def _routes(on: Stage) -> Path:
    return next(on.folder.glob("router/*/*/rds.json"))


async def main(switches: int) -> None:
    """Print the figures."""
    releases = [application("1"), application("2")]
    async with stage() as on:
        await on.begin(releases[0])
        revisions = await on.beside(releases[1])
        rollout = await engine(on, releases[1], switches)
        written = (await on.router.observe(on.target)).written
        if written is None:
            raise AssertionError
        addresses = {pool.revision: pool.members[0].address for pool in written.pools}
        half = [await bare(on.folder.parent / "bare-1", addresses, switches // 2)]
        found = await ours(on, revisions, switches)
        half.append(await bare(on.folder.parent / "bare-2", addresses, switches - switches // 2))
        peer = half[0] + half[1]
        title(
            f"traffic switch between two warm revisions on unix sockets, {switches} switches (p50 / p99 / max)"
        )
        beside = f"bare Envoy, file swap: {ms(peer, 50, 99, 100)}"
        say(
            "rename of the route table to first answer",
            ms(found["rename"], 50, 99, 100),
            budget="5 ms p50",
            beside=beside,
        )
        say(
            "call of router.apply to first answer (locks, state, 3 fsyncs)",
            ms(found["call"], 50, 99, 100),
            beside=beside,
        )
        say("call of router.apply to its return (Envoy has taken it)", ms(found["returned"], 50, 99, 100))
        say("a rollout's shift: intent to first answer", ms(rollout["answered"], 50, 99, 100))
        say(
            "a rollout's shift: intent to settled (every worker serves by it)",
            ms(rollout["settled"], 50, 99, 100),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=50)
    anyio.run(main, parser.parse_args().switches)
