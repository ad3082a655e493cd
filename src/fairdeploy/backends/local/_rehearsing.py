"""Sit beside a throw-away instance until it ends or nobody wants it any more. Standard library only.

``python _rehearsing.py <spec.json> <folder>`` starts what the spec says (see `launch`) and writes its process id,
and then its exit status, as lines of JSON. When its standard input ends, also because whoever holds the other end was
killed, it kills what it has started, removes the folder with everything in it, secrets included, and ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys

__all__ = ["main"]


def _tell(**what: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens: standard input says so too
        os.write(1, json.dumps(what).encode() + b"\n")


def main(spec: str, folder: str) -> int:
    """Start it, tell how it fares, and leave nothing behind."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # standard input is what ends this program
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH120, PTH100 -- pathlib costs 10 ms at start
    script = os.path.join(here, "..", "..", "host", "launch.py")  # noqa: PTH118 -- as above
    log = os.open(os.path.join(folder, "output"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # noqa: PTH118 -- as above
    child = os.fork()
    if not child:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        for source, goal in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, goal)
        for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-I", "-S", script, spec])  # noqa: S606 -- argv list, no shell
    _tell(pid=child)
    try:
        _watch(child)
    finally:
        with contextlib.suppress(
            ProcessLookupError, PermissionError
        ):  # it has ended, with all that it had started
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _watch(child: int) -> None:
    """Wait for the child's end and for the end of standard input, in whichever order they come."""
    pidfd = os.pidfd_open(child)
    waiting = [pidfd, 0]
    while 0 in waiting:
        ready, _, _ = select.select(waiting, [], [])
        if pidfd in ready:
            # Not reaped before everything is killed: until then its number, and its group's, is nobody else's.
            ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
            if ended is not None:
                _tell(exited=ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status)
            waiting.remove(pidfd)
        if 0 in ready and not os.read(0, 4096):
            waiting.remove(0)
    os.close(pidfd)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
