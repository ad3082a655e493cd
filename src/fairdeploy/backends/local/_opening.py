"""What is done before a backend's folder is used: it is proved to be one, and brought back after a reboot."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final
from urllib.parse import parse_qsl, quote, unquote

from fairdeploy.backends.local import _scan, _starting, _watching
from fairdeploy.errors import InvalidInput, StateError
from fairdeploy.host import _files, _lock
from fairdeploy.host._together import together
from fairdeploy.host.launch import boot_id
from fairdeploy.journal import naming

if TYPE_CHECKING:
    from fairdeploy.protocols.journal import Journal
    from fairdeploy.protocols.keeper import Keeper

__all__ = ["Place", "claim", "revive"]

_LOG = logging.getLogger("fairdeploy")
_SCHEME = "local://"
_SCHEMA = 1
_FILE = "folder.json"
_SECONDS = 60.0


@final
@dataclass(frozen=True, slots=True)
class Place:
    """What a backend's URI says.

    Args:
        folder: Absolute.
        journal: Address of a journal that is not the folder's own.
    """

    folder: Path
    journal: str | None = None

    @classmethod
    def of(cls, folder: Path | str, journal: Journal | None = None) -> Place:
        """Return the place of a folder given as a path or a ``local://`` URI, and of a journal if one is given.

        Raises:
            InvalidInput: If the URI says something else than a folder and a journal, or another journal than is given.
        """
        if not isinstance(folder, str) or not folder.startswith(_SCHEME):
            return cls(Path(folder).absolute(), naming.named(None, journal))
        path, _, query = folder.removeprefix(_SCHEME).partition("?")
        said = dict(parse_qsl(query, keep_blank_values=True))
        told = naming.named(said.pop(naming.JOURNAL, None), journal)
        if said:
            raise InvalidInput(f"a local:// URI says a folder and a journal, and nothing of {sorted(said)!r}")
        return cls(Path(unquote(path)).absolute(), told)

    @property
    def uri(self) -> str:
        """What `of` understands."""
        more = "" if self.journal is None else f"?{naming.JOURNAL}={quote(self.journal, safe='')}"
        return f"{_SCHEME}{quote(str(self.folder))}{more}"


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
