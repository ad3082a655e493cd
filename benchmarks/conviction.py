"""From the first bad response of a bad canary to all traffic on stable, convicted by the router's own numbers."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from typing import final

import anyio

from _figures import p, say, title
from _stage import Stage, application, monotonic, stage
from fairdeploy import Canary, ErrorComparison, Outcome, Release, RolloutResult
from fairdeploy.analysis import State
from fairdeploy.model import Event, Judged, Settled, Verdict
from fairdeploy.testing.load import LoadProcess, LoadSettings, keep_alive, load_process

STABLE_PERCENT = 1
ALPHA = 0.05
TENTH = Canary(
    steps=[10, 100],
    bake=[45, 0],
    every=0.1,
    keep_warm=0,
    dynamic_scale=False,
    analysis=[ErrorComparison(alpha=ALPHA)],
)


LOOK_S = 0.02
"""Seconds between two looks for the first bad response."""


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What some convictions took: seconds in all, requests of both and of the candidate, and who was missed."""

    seconds: list[float] = field(default_factory=list)
    deciding: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    candidates: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def back(events: list[Event]) -> float:
    """Return when all traffic was on stable again."""
    for event in events:
        match event.record:
            case Settled(phase="undo", step=step) if step.endswith("shift"):
                return monotonic(event.at_ms)
            case _:
                pass
    raise SystemExit("the way back had no shift")


async def first_bad(load: LoadProcess, revision: str) -> float:
    """Return when the first bad response of a revision was heard of."""
    while True:
        mine = load.snapshot().by_revision.get(revision)
        if mine is not None and mine.app_errors > 0:
            return time.monotonic()
        await anyio.sleep(LOOK_S)


async def one(on: Stage, load: LoadProcess, bad: Release, found: Found) -> None:
    """Deploy a bad release once."""
    plan = await on.deployer.plan(on.target, bad, TENTH)
    began: list[float] = []

    async def listen() -> None:
        began.append(await first_bad(load, str(plan.bases[0].candidate)))

    events: list[Event] = []
    ends: list[RolloutResult] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        async with on.deployer.run(plan) as rollout:
            events += [event async for event in rollout.events()]
            ends.append(await rollout.result())
        tasks.cancel_scope.cancel()
    result = ends[0]
    if result.outcome is not Outcome.ROLLED_BACK or not began:
        found.missed.append(str(result))
        return
    fail = next(e for e in events if isinstance(e.record, Judged) and e.record.verdict is Verdict.FAIL)
    known = (
        State.read(json.loads(fail.record.state)["comparison"]) if isinstance(fail.record, Judged) else None
    )
    since = began[0]
    found.deciding.append(max(0.0, monotonic(fail.at_ms) - since))
    found.seconds.append(max(0.0, back(events) - since))
    if known is not None:
        found.requests.append(known.candidate + known.baseline)
        found.candidates.append(known.candidate)


async def main(times: int, rate: float) -> None:
    """Print the figures."""
    settings = LoadSettings(max_requests=500_000, max_in_flight=2_000)
    kinds = {
        "errors 1 % -> 5 %": ["--fail-percent", "5"],
        "errors 1 % -> 20 %": ["--fail-percent", "20"],
        "errors 1 % -> 100 %": ["--fail-percent", "100"],
    }
    async with stage() as on:
        await on.begin(application("good", "--fail-percent", str(STABLE_PERCENT)))
        async with load_process(on.url, mix=(keep_alive(),), rate=rate, settings=settings) as load:
            title(
                f"conviction of a canary at 10 %, errors alone, α = {ALPHA}, looks every 0.1 s, {rate:g} requests/s, "
                f"{times} each with the seeds 1 to {times}"
            )
            for what, options in kinds.items():
                found = Found()
                for number in range(times):
                    seed = ["--seed", str(number + 1)]
                    await one(on, load, application(f"bad{number}-{options[1]}", *options, *seed), found)
                tell(what, found, times)
        report = load.report()
        say("requests lost meanwhile", f"{report.lost} of {report.requests}", budget="0")


def seconds(samples: list[float]) -> str:
    """Return the middle and the largest."""
    return f"{p(samples, 50):.1f} / {p(samples, 100):.1f} s"


def tell(what: str, found: Found, times: int) -> None:
    """Print the figures of one kind."""
    say(f"{what}: convicted", f"{times - len(found.missed)} of {times}")
    if not found.seconds:
        return
    say("    first bad response to the verdict, p50 / max", seconds(found.deciding))
    say("    first bad response to 100 % on stable, p50 / max", seconds(found.seconds))
    say(
        "    requests of both until the verdict, p50 / max",
        f"{p(found.requests, 50):.0f} / {p(found.requests, 100):.0f}",
        beside="of the canary " + f"{p(found.candidates, 50):.0f}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--rate", type=float, default=300)
    given = parser.parse_args()
    anyio.run(main, given.times, given.rate)
