"""What a thousand health checks at once cost, beside as many bare requests of the library that they use."""

from __future__ import annotations

import argparse
import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
import httpx

from _figures import p, say, title
from fairdeploy import HealthChecker, HTTPCheck, TCPCheck

AT_ONCE = 100
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n" + b'{"status":"ok"}'


async def serve() -> None:
    """Answer everything with 200, in a process of its own, until killed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def served() -> Iterator[str]:
    """Run the server, and give its address."""
    argv = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip() if process.stdout else ''}"
        finally:
            process.kill()


async def bare(url: str, number: int, client: httpx.AsyncClient | None) -> None:
    """Get as often with httpx alone: over one client, or with a client for each, as a check has."""
    limit, context = anyio.CapacityLimiter(AT_ONCE), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def get() -> None:
        async with limit:
            if client is not None:
                (await client.get(url)).raise_for_status()
                return
            async with httpx.AsyncClient(verify=context, trust_env=False, timeout=None) as own:  # noqa: S113 -- on the loopback address
                (await own.get(url)).raise_for_status()

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(get)


async def asked(checker: HealthChecker) -> None:
    """Ask all checks once."""
    status = await checker.check_deployment_health()
    if not status.healthy:
        raise SystemExit(str(status)[:500])


async def main(address: str, number: int, rounds: int) -> None:
    """Print wall time and processor time of each, from rounds that take turns."""
    title(f"{number:,} health checks at once, {AT_ONCE} under way, {rounds} rounds (p50 of wall time)")
    async with httpx.AsyncClient(trust_env=False, timeout=None) as client:  # noqa: S113 -- as above
        url = f"http://{address}/health"
        http = {f"h{n}": HTTPCheck(url, scope="shared", timeout_ms=60_000) for n in range(number)}
        json = {
            f"j{n}": HTTPCheck(url, scope="shared", json={"/status": "ok"}, timeout_ms=60_000)
            for n in range(number)
        }
        tcp = {f"t{n}": TCPCheck(address, scope="shared", timeout_ms=60_000) for n in range(number)}
        checkers = [HealthChecker(each, deadline=120, at_once=AT_ONCE) for each in (http, json, tcp)]
        runs: dict[str, Callable[[], Awaitable[None]]] = {
            "HTTPCheck, a new connection each": lambda: asked(checkers[0]),
            "HTTPCheck that looks into JSON": lambda: asked(checkers[1]),
            "TCPCheck": lambda: asked(checkers[2]),
            "httpx alone, a client each": lambda: bare(url, number, None),
            "httpx alone, one client that keeps connections": lambda: bare(url, number, client),
        }
        for run in runs.values():
            await run()  # imports, and what is read once
        wall: dict[str, list[float]] = {name: [] for name in runs}
        busy: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                began, used = time.perf_counter(), time.process_time()
                await run()
                wall[name].append(time.perf_counter() - began)
                busy[name].append(time.process_time() - used)
    for name in runs:
        cost = p(busy[name], 50) * 1_000 / number
        say(name, f"{p(wall[name], 50):.2f} s", beside=f"{cost:.2f} ms of processor time each")
    peer = p(busy["httpx alone, a client each"], 50)
    ours = p(busy["HTTPCheck, a new connection each"], 50)
    say("processor time of an HTTPCheck over a request of httpx alone", f"{ours / peer:.2f} x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        anyio.run(serve)
    else:
        with served() as where:
            anyio.run(main, where, given.number, given.rounds)
