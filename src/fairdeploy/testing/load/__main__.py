"""The load generator from the command line: `python -m fairdeploy.testing.load URL --rate 300 --seconds 10`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import stat
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from fairdeploy.errors import FairdeployError, InvalidInput
from fairdeploy.testing.load.generator import Load, generate_load
from fairdeploy.testing.load.settings import LoadSettings
from fairdeploy.testing.load.traffic import read_mix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

_LOST_IN_A_SNAPSHOT = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the generator; return the exit status: 0 nothing lost, 1 something lost, 2 wrong use."""
    options = _parser().parse_args(argv)
    fast = importlib.util.find_spec("uvloop") is not None
    try:
        return anyio.run(_run, options, backend_options={"use_uvloop": fast})
    except FairdeployError as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)  # noqa: T201  a command's word to its user
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fairdeploy.testing.load",
        description="Load a server and say what became of every request. Runs until --seconds or --max-requests is reached, "
        "stdin (a terminal or pipe) closes, or SIGINT or SIGTERM arrives; then prints the report. Exits with 1 if a request was lost.",
    )
    parser.add_argument("url", help="base URL, such as http://127.0.0.1:8080")
    pace = parser.add_mutually_exclusive_group(required=True)
    pace.add_argument(
        "--rate", type=float, help="open loop: requests per second, on schedule whatever the answers"
    )
    pace.add_argument("--workers", type=int, help="closed loop: so many requests at a time")
    parser.add_argument(
        "--mix",
        default="keep_alive",
        help="shares such as keep_alive=6,new_connection=2,slow=0.1,post=1,websocket=0.1, or JSON",
    )
    parser.add_argument("--seconds", type=float, help="end after so long")
    parser.add_argument("--max-requests", type=int, help="end after so many requests (default 1,000,000)")
    parser.add_argument(
        "--revision-header", help="the response header that names the revision (default x-revision)"
    )
    parser.add_argument(
        "--marker",
        help="a response header that only the application's answers have (default: the revision header)",
    )
    parser.add_argument("--settings", default="{}", help="further fields of LoadSettings, as JSON")
    parser.add_argument(
        "--allow-host", action="append", default=[], help="a host beyond loopback that may be loaded"
    )
    parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    parser.add_argument(
        "--snapshots", type=float, help="with --json: print the figures so far every so many seconds"
    )
    return parser


def _settings(options: argparse.Namespace) -> LoadSettings:
    try:
        settings = LoadSettings(**json.loads(options.settings))
    except (ValueError, TypeError) as exc:
        msg = f"--settings {options.settings!r}: expected a JSON object of fields of LoadSettings ({exc})"
        raise InvalidInput(msg) from exc
    given = {
        "max_seconds": options.seconds,
        "max_requests": options.max_requests,
        "revision_header": options.revision_header,
        "marker": options.marker,
    }
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def _stdin_can_close() -> bool:
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(0)


async def _run(options: argparse.Namespace) -> int:
    settings = _settings(options)
    if not _stdin_can_close() and settings.max_seconds is None and options.max_requests is None:
        msg = "nothing would end the load: give --seconds or --max-requests, or a stdin that is a terminal or a pipe"
        raise InvalidInput(msg)
    async with (
        generate_load(
            options.url,
            mix=read_mix(options.mix),
            rate=options.rate,
            workers=options.workers,
            settings=settings,
            allow_hosts=options.allow_host,
        ) as load,
        anyio.create_task_group() as enders,
    ):
        enders.start_soon(_end_with_signals, enders)
        if _stdin_can_close():
            enders.start_soon(_end_with_stdin, enders)
        if options.json and options.snapshots:
            enders.start_soon(_tell, load, options.snapshots)
        await load.wait()
        enders.cancel_scope.cancel()
    report = load.report()
    _say(json.dumps({"type": "report", "report": report.to_json()}) if options.json else str(report))
    return 1 if report.lost else 0


def _say(line: str) -> None:
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # nobody listens any more: what is said from here on goes nowhere, without a fuss
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


async def _tell(load: Load, every: float) -> None:
    while True:
        report = load.snapshot().to_json(max_lost=_LOST_IN_A_SNAPSHOT)
        line = json.dumps({"type": "snapshot", "report": report})
        # In a thread: a reader that stands still must not make the load stand still.
        await anyio.to_thread.run_sync(_say, line, abandon_on_cancel=True)
        await anyio.sleep(every)


async def _end_with_stdin(enders: TaskGroup) -> None:
    while True:
        await anyio.wait_readable(0)
        if not os.read(0, 4096):
            enders.cancel_scope.cancel()
            return


async def _end_with_signals(enders: TaskGroup) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            enders.cancel_scope.cancel()
            return


if __name__ == "__main__":
    sys.exit(main())
