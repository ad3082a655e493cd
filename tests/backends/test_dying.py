"""What was killed is gone when the one who killed it goes on."""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
from typing import TYPE_CHECKING

from fairdeploy.host import _process

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def test_a_process_that_takes_a_moment_to_die_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine SIGKILL takes effect only when its process gets a turn: it is counted once, and gone then."""
    mark = secrets.token_hex(8)
    kill = _process._kill_if
    timers: list[threading.Timer] = []

    def late(pid: int, condition: Callable[[], bool]) -> bool:
        timers.append(threading.Timer(1.5, kill, (pid, condition)))
        timers[-1].start()
        return True

    monkeypatch.setattr(_process, "_kill_if", late)
    with subprocess.Popen(["sleep", "600"], env={**os.environ, _process.MARK: mark}) as slow:
        try:
            killed = _process.kill_marked(mark)
            left = _process.marked(mark)
        finally:
            slow.kill()
            for timer in timers:
                timer.join()

    assert (killed, left) == (1, [])
