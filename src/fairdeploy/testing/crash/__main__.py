"""The nursery: a program that has imported all there is to import, and forks one that deploys whenever it is asked.

``python -m fairdeploy.testing.crash MODULE:FUNCTION [WORD...]`` reads a task a line, and tells what becomes of it.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from fairdeploy.journal import codec
from fairdeploy.model import Base, Plan
from fairdeploy.testing.crash._child import Task, carry_out, tell
from fairdeploy.testing.crash.house import Housing

if TYPE_CHECKING:
    from fairdeploy.testing.crash.house import CrashHouse

_PAGE = 4096


def main(words: list[str]) -> int:
    """Serve until the standard input ends; what still runs then is killed."""
    house = Housing(words[0], tuple(words[1:])).make()
    codec.prove(
        Plan("nothing", bases=(Base(house.target),))
    )  # builds what reading a journal needs, once for all
    heard, rung = os.pipe()
    os.set_blocking(rung, False)
    os.set_blocking(heard, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(rung)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    selector.register(heard, selectors.EVENT_READ)
    children: set[int] = set()
    said = b""
    tell(ready=True)
    while True:
        for key, _ in selector.select():
            if key.fd == heard:
                os.read(heard, _PAGE)
                _wait(children)
                continue
            read = os.read(key.fd, _PAGE)
            if not read:
                for pid in children:
                    os.kill(pid, signal.SIGKILL)
                return 0
            *lines, said = (said + read).split(b"\n")
            for line in lines:
                _obey(json.loads(line), children, house)


def _obey(order: dict[str, object], children: set[int], house: CrashHouse) -> None:
    match order:
        case {"task": dict(task)}:
            pid = os.fork()
            if not pid:
                _live(house, Task(**task))
            children.add(pid)
            tell(born=pid)
        case {"signal": int(number), "to": int(pid)} if pid in children:
            os.kill(pid, number)
        case _:
            pass  # it has just ended by itself


def _live(house: CrashHouse, task: Task) -> NoReturn:
    """Be the program."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    try:
        code = carry_out(house, task)
    except BaseException:  # noqa: BLE001 -- it must not go on as its parent
        code = 70
    os._exit(code)


def _wait(children: set[int]) -> None:
    """Tell of every child that has stopped or ended."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return
        if os.WIFSTOPPED(status):
            tell(stopped=pid)
        else:
            children.discard(pid)
            tell(ended=pid, status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
