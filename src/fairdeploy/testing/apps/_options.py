"""How an application is told to behave."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Options", "read_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The behaviour of one application process."""

    host: str = "127.0.0.1"
    port: int | None = None
    uds: str | None = None
    revision: str = "v1"
    fail_percent: float = 0.0
    fail_every: int = 0
    fail_status: int = 500
    seed: int = 0
    delay_ms: float = 0.0
    health_status: int = 200
    ignore_health: bool = False
    start_delay: float = 0.0
    drain: float = 0.5
    grace: float = 25.0
    keep_alive: int = 5


def read_options(program: str, argv: Sequence[str] | None = None) -> Options:
    """Read the command line; exits with status 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(prog=f"python -m fairdeploy.testing.apps.{program}")
    address = parser.add_mutually_exclusive_group(required=True)
    address.add_argument("--port", type=int, help="TCP port; 0 takes a free one and prints it")
    address.add_argument("--uds", help="path of a unix socket")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default 127.0.0.1)")
    parser.add_argument("--revision", default="v1", help="the name in the x-revision header")
    failing = parser.add_mutually_exclusive_group()
    failing.add_argument(
        "--fail-percent",
        type=float,
        default=0.0,
        help="share of requests to / that fail, 0 to 100, by seeded chance",
    )
    failing.add_argument(
        "--fail-every", type=int, default=0, help="each so many-th request to / fails; 0 for none"
    )
    parser.add_argument(
        "--fail-status", type=int, default=500, help="status of a failing request (default 500)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of --fail-percent and --delay-ms")
    parser.add_argument(
        "--delay-ms",
        type=float,
        default=0.0,
        help="milliseconds that / takes on average, from half of it to half as much again by seeded chance",
    )
    parser.add_argument("--health-status", type=int, default=200, help="status of /health (default 200)")
    parser.add_argument("--ignore-health", action="store_true", help="never answer /health")
    parser.add_argument("--start-delay", type=float, default=0.0, help="seconds before the port opens")
    parser.add_argument(
        "--drain",
        type=float,
        default=0.5,
        help="polite: seconds after SIGTERM in which answers carry 'Connection: close'",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=25.0,
        help="polite: seconds that websockets, and then requests, may take to end",
    )
    parser.add_argument(
        "--keep-alive", type=int, default=5, help="seconds before an idle connection is closed"
    )
    found = parser.parse_args(argv)
    if not 0 <= found.fail_percent <= 100:
        parser.error(f"--fail-percent {found.fail_percent}: expected 0 to 100")
    if found.fail_every < 0:
        parser.error(f"--fail-every {found.fail_every}: expected 0 or more")
    if not 0 <= found.delay_ms <= 60_000:
        parser.error(f"--delay-ms {found.delay_ms}: expected 0 to 60000")
    if min(found.start_delay, found.drain, found.grace, found.keep_alive) < 0:
        parser.error("--start-delay, --drain, --grace and --keep-alive: expected seconds, 0 or more")
    return Options(**vars(found))
