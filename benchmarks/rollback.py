"""From the decision to go back to the last request that started on the bad revision."""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import final

import anyio

from _figures import ms, say, title
from _stage import Stage, application, monotonic, stage
from fairdeploy import Action, BlueGreen, Canary, ErrorRate, Outcome
from fairdeploy.model import Event, Intended, Judged, Settled, Shift, Undoing
from fairdeploy.testing.load import LoadProcess, LoadSettings, keep_alive, load_process, new_connection

GOOD = application("good")
BAD = application("bad", "--fail-percent", "25")
WARM = BlueGreen(watch=0, keep_warm=3600, analysis=(), preview_header=None)
HALF = Canary(steps=[50, 100], bake=60, keep_warm=3600, analysis=(), dynamic_scale=False)
GUARDED = Canary(
    steps=[50, 100],
    bake=60,
    keep_warm=3600,
    analysis=[ErrorRate(max_percent=5, min_requests=20)],
    every=0.1,
    dynamic_scale=False,
)
TRAFFIC_S = 0.3
"""Enough requests on the bad revision before it is left."""
HEARD_S = 0.6
"""After which the load process has told of all requests that were answered meanwhile."""


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What some rollbacks took, in milliseconds from the decision; ``phases`` by what had been reached."""

    last: list[float] = field(default_factory=list)
    phases: dict[str, list[float]] = field(default_factory=dict)

    def add(self, decided: float, last: float, events: Iterable[Event]) -> None:
        """Take one more in. A last request before the decision counts as 0."""
        self.last.append(max(0.0, (last - decided) * 1000))
        for what, at in _phases(events):
            self.phases.setdefault(what, []).append((at - decided) * 1000)


def _phases(events: Iterable[Event]) -> Iterable[tuple[str, float]]:
    for event in events:
        match event.record:
            case Undoing():
                yield "undoing", monotonic(event.at_ms)
            case Intended(undo=Shift()):
                yield "shift intended", monotonic(event.at_ms)
            case Settled(phase="undo", step=step) if step.endswith("shift"):
                yield "shift settled", monotonic(event.at_ms)
            case Intended(phase="do", step=step) if step.startswith(("shift", "switch")):
                yield "shift intended", monotonic(event.at_ms)
            case Settled(phase="do", step=step) if step.startswith(("shift", "switch")):
                yield "shift settled", monotonic(event.at_ms)
            case _:
                pass


async def by_verdict(on: Stage) -> tuple[float, list[Event]]:
    """Let a guard convict; the decision is the time of its record."""
    plan = await on.deployer.plan(on.target, BAD, GUARDED)
    async with on.deployer.run(plan) as rollout:
        events = [event async for event in rollout.events()]
        if (result := await rollout.result()).outcome is not Outcome.ROLLED_BACK:
            raise SystemExit(str(result))
    judged = [e for e in events if isinstance(e.record, Judged) and e.record.action is Action.ROLLBACK]
    return monotonic(judged[0].at_ms), events[events.index(judged[0]) :]


async def by_abort(on: Stage) -> tuple[float, list[Event]]:
    """Call `abort` where the rollout runs; the decision is the call."""
    plan = await on.deployer.plan(on.target, BAD, HALF)
    async with on.deployer.run(plan) as rollout:
        since = 0
        async for event in rollout.events():
            since = event.seq
            if isinstance(event.record, Settled) and event.record.step == "shift-50":
                break
        await anyio.sleep(TRAFFIC_S)
        decided = time.monotonic()
        await rollout.abort("benchmark")
        if (result := await rollout.result()).outcome is not Outcome.ABORTED:
            raise SystemExit(str(result))
        return decided, [event async for event in rollout.events(since=since)]


async def by_rollback(on: Stage) -> tuple[float, list[Event]]:
    """Go back to a warm revision after the promotion; the decision is the call."""
    await on.deployer.deploy(on.target, BAD, WARM)
    await anyio.sleep(TRAFFIC_S)
    decided = time.monotonic()
    result = await on.deployer.rollback(on.target)
    return decided, list(await on.backend.journal.read(result.rollout))


async def repeated(
    on: Stage, load: LoadProcess, times: int, way: Callable[[Stage], Awaitable[tuple[float, list[Event]]]]
) -> Found:
    """Go back so many times under load."""
    found = Found()
    for _ in range(times):
        decided, events = await way(on)
        await anyio.sleep(HEARD_S)
        mine = [r for name, r in load.snapshot().by_revision.items() if name.startswith("bad-")]
        found.add(decided, mine[0].last_started, events)
    return found


async def main(times: int, rate: float) -> None:
    """Print the figures."""
    mix = (keep_alive(weight=90), new_connection(weight=10))
    settings = LoadSettings(max_requests=500_000, max_in_flight=2_000)
    async with stage() as on:
        await on.begin(GOOD)
        await on.beside(BAD)
        async with load_process(on.url, mix=mix, rate=rate, settings=settings) as load:
            ways = {
                "a guard's verdict (its record)": await repeated(on, load, times, by_verdict),
                "rollout.abort() in the same process": await repeated(on, load, times, by_abort),
                "deployer.rollback() to a warm revision": await repeated(on, load, times, by_rollback),
            }
        report = load.report()
        title(
            f"rollback: decision to last request started on the bad revision, {times} each, {rate:g} requests/s (p50 / p99 / max)"
        )
        for what, found in ways.items():
            say(what, ms(found.last, 50, 99, 100), budget="100 ms p99")
            for phase, samples in found.phases.items():
                say(f"    until: {phase}", ms(samples, 50, 99, 100))
        say("requests lost meanwhile", f"{report.lost} of {report.requests}", budget="0")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--rate", type=float, default=300)
    found = parser.parse_args()
    anyio.run(main, found.times, found.rate)
