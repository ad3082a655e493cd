"""Services of other languages of the web, as programs of their own: started for a test, ended after it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def running(program: str, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a program of this folder, and give the line that it prints once it serves."""
    path = Path(__file__).with_name(program)
    process = subprocess.Popen(
        [sys.executable, str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(env or {}),
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line, f"{program} ended before it served"
        yield line
    finally:
        process.kill()
        process.communicate()
