"""A plan in a file, so that it can be read by somebody before exactly it is run."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.errors import InvalidInput
from fairdeploy.journal import codec

if TYPE_CHECKING:
    from fairdeploy.model import Plan

__all__ = ["read_plan", "write_plan", "write_whole"]

_LARGEST: Final = 16 << 20


async def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan with its hash.

    Raises:
        InvalidInput: If the file cannot be written.
    """
    text = json.dumps({"hash": plan.hash, "plan": codec.encode_plan(plan)})
    try:
        await anyio.to_thread.run_sync(write_whole, path, text)
    except OSError as error:
        raise InvalidInput(f"plan {str(path)!r} cannot be written ({error.strerror})") from error


async def read_plan(path: Path) -> Plan:
    """Return the plan of a file.

    Raises:
        InvalidInput: If it cannot be read, or is not what was written.
    """
    try:
        async with await anyio.open_file(path, "rb") as file:
            content = await file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InvalidInput(f"plan {str(path)!r} is larger than 16 MiB: no plan is")
        written = json.loads(content)
        digest, text = written["hash"], written["plan"]
        made = codec.plan(text, f"plan {str(path)!r}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        msg = f"plan {str(path)!r} cannot be read ({error}): write one with fairdeploy plan --out"
        raise InvalidInput(msg) from error
    if made.hash != digest:
        msg = f"plan {str(path)!r} was changed after it was written: make it again with fairdeploy plan --out"
        raise InvalidInput(msg)
    return made


def write_whole(path: Path, text: str) -> None:
    """Write a file for this user alone: whole, or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise
