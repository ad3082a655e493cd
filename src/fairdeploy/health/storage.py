"""Ask a folder whether it has room, and keeps what is written to it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from fairdeploy.health.finding import Finding, failed, passed

if TYPE_CHECKING:
    from fairdeploy.model import StorageCheck

__all__ = ["ask_folder"]

_MOST_HANGING = 4
_hanging: Counter[str] = Counter()
"""Looks at each folder that have not come back: a network that is down can hold a thread for ever."""


async def ask_folder(check: StorageCheck) -> Finding:
    """Look at a folder, and write to it, in a thread that is left behind if it does not come back in time."""
    asked = f"folder {check.place!r}"
    if _hanging[check.place] >= _MOST_HANGING:
        return failed(asked, f"{asked} hangs: {_MOST_HANGING} earlier looks at it have not come back")
    _hanging[check.place] += 1

    def look() -> Finding:
        try:
            return _looked(check, asked)
        except OSError as error:
            return failed(asked, f"{asked} cannot be used: {error.strerror or type(error).__name__}")
        finally:
            _hanging[check.place] -= 1

    try:
        with anyio.fail_after(check.timeout_ms / 1000):
            # A limiter of its own: a folder that hangs keeps no thread from others.
            return await anyio.to_thread.run_sync(
                look, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
            )
    except TimeoutError:
        return failed(asked, f"{asked} did not answer within {check.timeout_ms} ms")


def _looked(check: StorageCheck, asked: str) -> Finding:
    if not Path(check.place).is_dir():
        return failed(asked, f"{asked} is not there")
    usage = shutil.disk_usage(check.place)
    # Of what this user can have: some of the rest is kept for root (as `df` counts).
    percent = 100 * usage.free / max(1, usage.used + usage.free)
    if usage.free < check.min_free_bytes:
        return failed(asked, f"{asked} has {usage.free} bytes left, expected at least {check.min_free_bytes}")
    if percent < check.min_free_percent:
        return failed(
            asked, f"{asked} has {percent:.1f} % left, expected at least {check.min_free_percent:g} %"
        )
    if check.write:
        _write(Path(check.place))
    return passed(
        asked, f"{asked} has {percent:.0f} % left" + (" and keeps what is written" if check.write else "")
    )


def _write(folder: Path) -> None:
    """Write, read and delete a small file.

    Raises:
        OSError: If one of that does not work.
    """
    path, content = folder / f".fairdeploy-{secrets.token_hex(8)}", secrets.token_bytes(64)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
        if os.pread(file, len(content), 0) != content or path.read_bytes() != content:
            raise OSError(None, "what was read is not what was written")
    finally:
        os.close(file)
        with suppress(FileNotFoundError):
            path.unlink()
