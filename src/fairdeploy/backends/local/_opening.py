"""What is done before a backend's folder is used: it is proved to be one, and brought back after a reboot."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from fairdeploy.backends.local import _files, _lock, _scan, _starting, _watching
from fairdeploy.backends.local._together import together
from fairdeploy.backends.local.launch import boot_id
from fairdeploy.errors import StateError

if TYPE_CHECKING:
    from fairdeploy.protocols.keeper import Keeper

__all__ = ["claim", "path_of", "revive", "uri_of"]

_LOG = logging.getLogger("fairdeploy")
_SCHEMA = 1
_FILE = "folder.json"
_SECONDS = 60.0


def path_of(folder: Path | str) -> Path:
    """Return the absolute path of a folder given as a path or a ``local://`` URI."""
    if isinstance(folder, str) and folder.startswith("local://"):
        folder = unquote(folder.removeprefix("local://"))
    return Path(folder).absolute()


def uri_of(folder: Path) -> str:
    """Return the ``local://`` URI of a folder."""
    return f"local://{quote(str(folder))}"


def claim(folder: Path) -> None:
    """Make a folder ours, or prove that it is. Blocks: give it a thread.

    Raises:
        StateError: If it is unusable, holds other things, or is of another version.
    """
    try:
        strange = folder.is_dir() and any(folder.iterdir()) and not (folder / _FILE).exists()
    except OSError as error:
        raise StateError(
            f"folder {str(folder)!r} cannot be read ({error.strerror}): give one of your own"
        ) from error
    if strange:
        raise StateError(
            f"folder {str(folder)!r} holds things that are no deployments: give a new or empty folder"
        )
    _files.private_folder(folder)
    known = _files.read_json(folder / _FILE)
    if known is None:
        _files.write_json(folder / _FILE, {"schema": _SCHEMA, "boot": boot_id()})
    elif known.get("schema") != _SCHEMA:
        raise StateError(
            f"folder {str(folder)!r} is of schema {known.get('schema')!r}, not {_SCHEMA}: use its version"
        )
    for name in ("targets", "keeper", "sockets"):
        _files.private_folder(folder / name)


async def revive(keeper: Keeper, folder: Path) -> None:
    """After a reboot, start again what was kept.

    Raises:
        StartError: If an instance is refused by the keeper.
        StateError: If a file is damaged.
    """
    known = _files.read_json(folder / _FILE) or {}
    if _scan.text(known, "boot") == boot_id():
        return
    async with _lock.held(folder / "lock", seconds=_SECONDS):
        layouts = _watching.layouts(folder)
        kept = [(layout, record) for layout in layouts for record in _scan.records(layout)]
        if kept:
            _LOG.warning(
                "the machine has been restarted: starting again %d instances in %r: %s",
                len(kept),
                str(folder),
                ", ".join(record.id for _, record in kept),
            )
        await together(partial(keeper.start, _starting.program(layout, record)) for layout, record in kept)
        if any(record.probes.liveness is not None for _, record in kept):
            await _watching.start(keeper, folder)
        _files.write_json(folder / _FILE, {"schema": _SCHEMA, "boot": boot_id()})
