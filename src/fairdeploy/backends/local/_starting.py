"""What is written down before the first instance of a revision is started."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fairdeploy.backends.local._record import Record
from fairdeploy.errors import StartError, StateError, Unbound
from fairdeploy.host import _files, _program, launch
from fairdeploy.model.canonical import plain
from fairdeploy.protocols.keeper import Program
from fairdeploy.system.hidden import Hidden

if TYPE_CHECKING:
    from fairdeploy.backends.local._layout import Layout
    from fairdeploy.model import Release, RevisionId

__all__ = ["check", "program", "template", "write"]


def template(layout: Layout, revision: RevisionId, release: Release) -> Record:
    """Return what all instances of a revision have in common, with an id and number to be replaced."""
    folder = layout.revision(revision)
    return Record(
        "",
        revision=revision,
        number=0,
        argv=tuple(release.command),
        cwd=release.workdir or str(folder / "work"),
        env={
            **_program.minimum(),
            **{key: value for key, value in release.env.items() if isinstance(value, str)},
        },
        secrets={
            key: {"path": ref.key}
            if ref.source == "file"
            else {"path": str(layout.secrets(revision)), "key": ref.key}
            for key, ref in release.secrets.items()
        },
        config=str(folder / "config"),
        probes=release.probes,
        stop_signal=release.stop_signal,
        stop_grace_ms=release.stop_grace_ms,
    )


def check(record: Record, release: Release, words: tuple[str, ...] | None = None) -> None:
    """Prove that a command can be started at all, before anything is.

    Raises:
        StartError: If there is no command, its program is missing, or its working directory is.
    """
    if not release.command:
        raise StartError(
            f"release {release.version!r} has an image and no command: this backend runs processes, give command=[...]"
        )
    if release.workdir is not None and not Path(release.workdir).is_dir():
        raise StartError(
            f"workdir {release.workdir!r} of release {release.version!r} is no folder: make it first"
        )
    values = record.filled(None)
    word = (words or record.argv)[0]
    name = launch.fill(word, values)
    path = launch.fill(record.env.get("PATH", os.defpath), values)
    found = shutil.which(str(Path(record.cwd) / name) if "/" in name else name, path=path)
    if found is None:
        raise StartError(
            f"program {word!r} of release {release.version!r} is not an executable file"
            + (f" in {record.cwd!r}" if "/" in name else f" on the PATH {path!r}")
            + ": install it, or give its absolute path"
        )


def write(layout: Layout, revision: RevisionId, release: Release) -> None:
    """Write release, configuration and secrets of a revision; what is there already stays.

    Raises:
        Unbound: If a secret cannot be found.
        StateError: If something cannot be written.
    """
    folder = layout.revision(revision)
    for each in (
        *layout.folders(),
        folder,
        folder / "work",
        folder / "config",
        layout.secrets(revision).parent,
    ):
        _files.private_folder(each)
    _secrets(layout, revision, release)
    for name, text in release.config.items():
        path = folder / "config" / name
        try:
            _files.make_folder(path.parent)
        except OSError as error:
            raise StateError(
                f"config file {name!r} cannot be written ({error.strerror}): rename it"
            ) from error
        _files.write_text(path, text)
    if not (folder / "release.json").exists():
        _files.write_json(folder / "release.json", plain(release))


def _secrets(layout: Layout, revision: RevisionId, release: Release) -> None:
    path = layout.secrets(revision)
    stored = {key: Hidden(value) for key, value in (_files.read_json(path) or {}).items()}
    values: dict[str, str] = {}
    for ref in release.secrets.values():
        if ref.source == "env":
            values[ref.key] = stored[ref.key] if ref.key in stored else Hidden(ref.resolve())
        elif "\0" in ref.resolve():  # read here to be refused now rather than at start; not kept
            raise Unbound(
                f"secret file {ref.key!r} holds a NUL, which no environment variable can: encode it"
            )
    if values and values != stored:
        _files.write_text(path, Hidden(json.dumps(values)))


def program(layout: Layout, record: Record) -> Program:
    """Return what the keeper is to keep for an instance."""
    return Program(
        name=layout.program(record.id),
        argv=_program.launching(str(layout.instance(record.id))),
        cwd=str(layout.base),
        log=str(layout.log(record.id)),
        stop_signal=record.stop_signal,
        stop_grace_ms=record.stop_grace_ms,
    )
