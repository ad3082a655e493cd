"""What the router adds to a request: direct to one instance, through ours, and through a bare Envoy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import anyio

from _bare import bare_envoy
from _figures import p, say, title
from _stage import application, stage
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process


async def once(url: str, rate: float, seconds: float, *, hosts: Sequence[str] = ()) -> tuple[float, float]:
    """Return p50 and p99 of an open load of one kind, in milliseconds; on loopback, or one of these hosts of our own."""
    settings = LoadSettings(max_requests=100_000, max_seconds=seconds)
    mix = (keep_alive(),)
    async with load_process(url, mix=mix, rate=rate, settings=settings, allow_hosts=hosts) as load:
        await load.wait()
    report = load.report()
    if report.lost or report.app_errors:
        raise SystemExit(str(report))
    (kind,) = report.kinds.values()
    return kind.latency.p50 * 1000, kind.latency.p99 * 1000


async def main(rate: float, seconds: float, rounds: int) -> None:
    """Print the figures."""
    async with stage() as on:
        await on.begin(application("1", place="port"))
        seen = await on.backend.observe(on.target)
        (address,) = [str(i.address) for revision in seen.revisions for i in revision.instances]
        async with bare_envoy(on.folder.parent / "bare", {"1": address}) as envoy:
            urls = {"direct": f"http://{address}", "ours": on.url, "bare": f"http://127.0.0.1:{envoy.port}"}
            # In turn, so that whatever else the machine does befalls all of them.
            samples = [
                {name: await once(url, rate, seconds) for name, url in urls.items()} for _ in range(rounds)
            ]
        title(
            f"latency at {rate:g} requests/s, open loop, keep-alive, {rounds} rounds of {seconds:g} s each (median round)"
        )
        for index, name in enumerate(("p50", "p99")):
            direct, ours, bare = (p([each[leg][index] for each in samples], 50) for leg in urls)
            beside = f"direct {direct:.2f} ms, bare Envoy adds {bare - direct:.2f} ms"
            say(f"{name}: added by our router", f"{ours - direct:.2f} ms", beside=beside)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    found = parser.parse_args()
    anyio.run(main, found.rate, found.seconds, found.rounds)
