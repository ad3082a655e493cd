"""A short, plain and private path for a keeper's folder, however long or odd the folder's own is."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import final

from fairdeploy.errors import StateError
from fairdeploy.host import _files, _ini

__all__ = ["Home"]

_SOCKET_BYTES = 107
_SUFFIX = len("/supervisor.sock.1234567890")  # supervisor binds a temporary name first


@final
@dataclass(frozen=True, slots=True)
class Home:
    """Where a keeper lives.

    Args:
        folder: Its folder, resolved.
        path: A plain path that leads to the same folder.
        run: Folder of the socket and of links to other folders; short, plain and private.
        mark: What tells the keeper's processes from all others.
    """

    folder: Path
    path: str
    run: Path
    mark: str

    @classmethod
    def of(cls, folder: Path) -> Home:
        """Find or make the home of a folder.

        Raises:
            StateError: If a folder cannot be made, or is somebody else's.
        """
        folder = _files.private_folder(folder).resolve()
        mark = hashlib.sha256(f"{os.geteuid()}:{folder}".encode()).hexdigest()[:20]
        if _fits(folder):
            return cls(folder, str(folder), folder, mark)
        run = _runtime() / mark
        _own(run)
        _own(run / "sockets")
        _link(run / "of", folder)  # says whose it is
        home = cls(folder, "", run, mark)
        return cls(folder, home.plain(folder), run, mark)

    @property
    def socket(self) -> str:
        """The unix socket of supervisord."""
        return str(self.run / "supervisor.sock")

    def address(self, name: str) -> str:
        """Return the path of a unix socket for a name, short enough for the kernel."""
        return str(self.run / "sockets" / f"{hashlib.sha256(name.encode()).hexdigest()[:12]}.sock")

    def plain(self, folder: Path) -> str:
        """Return a plain path that leads to a folder: itself, or a link to it.

        Raises:
            StateError: If the link cannot be made.
        """
        if _ini.plain(str(folder)):
            return str(folder)
        link = self.run / f"at-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        _link(link, folder)
        return str(link)


def _link(link: Path, folder: Path) -> None:
    try:
        if not link.is_symlink():
            link.symlink_to(folder)
    except FileExistsError:
        return  # another process made the same link
    except OSError as error:
        raise StateError(f"link {str(link)!r} cannot be made ({error.strerror}): check its folder") from error


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + _SUFFIX <= _SOCKET_BYTES and _ini.plain(str(folder))


def _runtime() -> Path:
    """Return this user's folder for short paths. Not XDG_RUNTIME_DIR: that one goes when the user logs out."""
    base = Path(tempfile.gettempdir()).resolve()
    if not _fits(base / "fairdeploy-4294967295" / ("x" * 20)):
        base = Path("/tmp")  # noqa: S108 -- the folder within is checked to be ours and private
    folder = base / f"fairdeploy-{os.geteuid()}"
    _own(folder)
    return folder


def _own(folder: Path) -> None:
    """Make a private folder where others can write too, or prove that it is ours."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StateError(
            f"folder {str(folder)!r} cannot be made ({error.strerror}): check its parent"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StateError(f"folder {str(folder)!r} is not private to this user: have its owner remove it")
