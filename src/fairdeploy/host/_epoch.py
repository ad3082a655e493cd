"""The newest epoch that was seen of a target, in a file: who comes with an older one has been taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.errors import Fenced
from fairdeploy.host import _files

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model import TargetId
    from fairdeploy.protocols import Fence


def newest(path: Path) -> int:
    """Return the newest epoch; 0 if none was seen. Blocks.

    Raises:
        StateError: If the file is damaged.
    """
    found = (_files.read_json(path) or {}).get("epoch")
    return found if isinstance(found, int) else 0


def pass_on(path: Path, target: TargetId, fence: Fence) -> None:
    """Write a newer epoch down, or refuse an older one. Hold the target's lock. Blocks.

    Raises:
        Fenced: If it is older than one seen.
        StateError: If the file is damaged, or cannot be written.
    """
    known = newest(path)
    if fence.epoch < known:
        raise Fenced(
            f"epoch {fence.epoch} of {target!r} has passed: a holder with epoch {known} has taken over"
        )
    if fence.epoch > known:
        _files.write_json(path, {"epoch": fence.epoch}, durable=True)
