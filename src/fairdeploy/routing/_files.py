"""A target's folder: private, written atomically, by one process at a time."""

from __future__ import annotations

import os
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from fairdeploy.errors import RouterError
from fairdeploy.system import flocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["gone_at", "held", "leave", "make", "read", "sync", "tail", "wipe", "write"]

_LOCK_S: Final = 30.0
_TAIL_BYTES: Final = 8_192


def make(folder: Path) -> None:
    """Create a private folder.

    Raises:
        RouterError: If it cannot be created.
    """
    try:
        _mkdir(folder)
        folder.chmod(0o700)
    except OSError as exc:
        raise RouterError(
            f"the router's folder {str(folder)!r} cannot be made ({exc.strerror}): give one that this user may write to"
        ) from exc


def _mkdir(folder: Path) -> None:
    """Make a folder and what is missing above it, private too: pathlib leaves those as open as the umask says."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        _mkdir(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write(folder: Path, name: str, content: bytes) -> None:
    """Replace a file at once; Envoy notices renames only. Its name is durable after `sync`.

    Raises:
        RouterError: If it cannot be written; the old one is as it was.
    """
    draft = folder / f".{name}.{os.getpid()}"
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        draft.replace(folder / name)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise RouterError(
            f"{str(folder / name)!r} cannot be written ({exc.strerror}): see that the disk has room and the folder is yours"
        ) from exc


def read(folder: Path, name: str) -> bytes | None:
    """Return a file's content, or ``None`` if it is not there."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        return None


def sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def wipe(folder: Path) -> None:
    """Remove a folder and what is in it.

    Raises:
        RouterError: If it cannot be removed.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise RouterError(f"the router's folder {str(folder)!r} cannot be removed: {exc.strerror}") from exc


def tail(path: Path, lines: int = 8) -> tuple[str, ...]:
    """Return the last lines of a log, oldest first; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ()
    return tuple(line for line in text.splitlines() if line.strip())[-lines:]


@asynccontextmanager
async def held(folder: Path) -> AsyncIterator[None]:
    """Keep all other writers out, of this program and of others. The lock goes with its holder.

    A holder that is stopped is let run until it gives it back.

    Raises:
        RouterError: If another keeps it for 30 s, or the folder cannot be made.
    """
    make(folder.parent)
    # Beside the folder: removing it must not take the lock away from those who wait.
    path = folder.with_name(f".{folder.name}.lock")
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(flocked(path, seconds=_LOCK_S))
        except TimeoutError as exc:
            raise RouterError(
                f"the router in {str(folder)!r} has been kept for {_LOCK_S:g} s by {exc}: wait for it, or end it"
            ) from None
        except OSError as exc:
            raise RouterError(
                f"lock {str(path)!r} cannot be opened ({exc.strerror}): give a folder that this user can write to"
            ) from exc
        yield


def gone_at(folder: Path) -> int:
    """Return the epoch under which a target's folder was last removed; 0 if it never was.

    Raises:
        RouterError: If it cannot be read.
    """
    content = read(folder.parent, _gone(folder))
    if content is None:
        return 0
    if not content.isdigit():
        msg = (
            f"{str(folder.with_name(_gone(folder)))!r} holds no epoch: it is damaged; once no program that "
            "deployed there runs any more, remove it"
        )
        raise RouterError(msg)
    return int(content)


def leave(folder: Path, epoch: int) -> None:
    """Remove a target's folder, but not the epoch: a holder that was taken over may wake when all is over.

    Raises:
        RouterError: If it cannot be written, or the folder cannot be removed.
    """
    write(folder.parent, _gone(folder), str(max(epoch, gone_at(folder))).encode())
    wipe(folder)


def _gone(folder: Path) -> str:
    return f".{folder.name}.gone"
