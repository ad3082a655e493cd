"""A bad release is sent back, a good one is not, judged by the router's counters alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairdeploy import Canary, ErrorRate, Outcome, Release
from fairdeploy.model import ErrorComparison, LatencyComparison
from fairdeploy.testing.load import keep_alive, post
from tests.proof.stage import Stage, application, lost, stage, under_load

pytestmark = [pytest.mark.anyio, pytest.mark.load, pytest.mark.proof, pytest.mark.timeout(600)]

RUNS = 20
QUICK = Canary(
    steps=[50, 100],
    bake=2,
    analysis=[ErrorRate(max_percent=1, min_requests=100)],
    every=0.25,
    keep_warm=0,
    dynamic_scale=False,
)


COMPARED = Canary(steps=[50, 100], bake=[20, 0], analysis=[ErrorComparison()], every=0.25, keep_warm=0)
"""Stable fails 1 % of its requests itself: no limit would tell the two apart that fits every site."""

TIMED = Canary(steps=[50, 100], bake=[20, 0], analysis=[LatencyComparison()], every=0.25, keep_warm=0)


async def ending(on: Stage, release: Release, strategy: Canary = QUICK) -> Outcome:
    """Deploy and return how it ended."""
    plan = await on.deployer.plan(on.target, release, strategy)
    async with on.deployer.run(plan) as rollout:
        return (await rollout.result()).outcome


async def test_bad_releases_go_back_and_good_ones_stay(tmp_path: Path) -> None:
    """Of 20 releases that fail 5 % of their requests, health green, at least 19 go back; of 20 good ones at most 1."""
    back = wrong = 0
    async with stage(tmp_path / "deployments", replicas=1) as on:
        await on.deployer.deploy(on.target, application("v0"), QUICK)
        mix = (keep_alive(weight=90), post(weight=10))
        async with under_load(on.url, rate=500, requests=1_000_000, mix=mix) as load:
            for number in range(1, RUNS + 1):
                bad = application(f"bad{number}", "--fail-percent", "5", "--seed", str(number))
                back += await ending(on, bad) is Outcome.ROLLED_BACK
                assert await on.leftovers() == set()
                wrong += await ending(on, application(f"good{number}")) is not Outcome.PROMOTED
        report = load.report()
    assert back >= RUNS - 1
    assert wrong <= 1
    assert report.lost == 0, lost(report)


async def test_five_times_stables_errors_are_convicted_and_as_many_are_not(tmp_path: Path) -> None:
    """Beside a stable that fails 1 %, three that fail 5 % go back by the router's own numbers, three that fail 1 % stay."""
    ends: dict[str, list[Outcome]] = {"bad": [], "good": []}
    async with stage(tmp_path / "deployments", replicas=1) as on:
        await on.deployer.deploy(on.target, application("v0", "--fail-percent", "1"), QUICK)
        async with under_load(on.url, rate=300, requests=1_000_000, mix=(keep_alive(),)) as load:
            for number in range(1, 4):
                for kind, percent in (("bad", "5"), ("good", "1")):
                    seed = ("--seed", str(10 * number + len(kind)))
                    release = application(f"{kind}{number}", "--fail-percent", percent, *seed)
                    ends[kind].append(await ending(on, release, COMPARED))
        report = load.report()
    assert ends == {"bad": [Outcome.ROLLED_BACK] * 3, "good": [Outcome.PROMOTED] * 3}
    assert report.lost == 0, lost(report)


async def test_the_hard_guard_ends_a_burst_in_seconds(tmp_path: Path) -> None:
    """Of a minute's bake with 15 bad answers a second, a release that fails 30 % answers a few seconds' worth."""
    guarded = Canary(
        steps=[50, 100],
        bake=[60, 0],
        analysis=[ErrorRate(max_percent=20, min_requests=20, window_ms=5_000)],
        every=0.25,
        keep_warm=0,
    )
    async with stage(tmp_path / "deployments", replicas=1) as on:
        await on.deployer.deploy(on.target, application("v0"), QUICK)
        async with under_load(on.url, rate=100, requests=1_000_000, mix=(keep_alive(),)) as load:
            plan = await on.deployer.plan(on.target, application("bad", "--fail-percent", "30"), guarded)
            async with on.deployer.run(plan) as rollout:
                result = await rollout.result()
        report = load.report()
        bad = report.by_revision[str(plan.bases[0].candidate)].app_errors
    assert result.outcome is Outcome.ROLLED_BACK, str(result)
    assert 6 <= bad <= 300, bad
    assert report.lost == 0, lost(report)


async def test_slower_answers_are_convicted_and_equal_ones_are_not(tmp_path: Path) -> None:
    """Beside a stable that takes 8 ms, two that take 24 ms go back by the router's histograms, two equal ones stay."""
    ends: dict[str, list[Outcome]] = {"bad": [], "good": []}
    async with stage(tmp_path / "deployments", replicas=1) as on:
        await on.deployer.deploy(on.target, application("v0", "--delay-ms", "8"), QUICK)
        async with under_load(on.url, rate=200, requests=1_000_000, mix=(keep_alive(),)) as load:
            for number in range(1, 3):
                for kind, delay in (("bad", "24"), ("good", "8")):
                    release = application(f"{kind}{number}", "--delay-ms", delay, "--seed", str(number))
                    ends[kind].append(await ending(on, release, TIMED))
        report = load.report()
    assert ends == {"bad": [Outcome.ROLLED_BACK] * 2, "good": [Outcome.PROMOTED] * 2}
    assert report.lost == 0, lost(report)
