"""How far each sink has got, in small files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import final

from fairdeploy.errors import StateError
from fairdeploy.model import _check

__all__ = ["Positions"]


@final
class Positions:
    """Positions in one folder, made if there is none; only its owner can enter it.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> int | None:
        """Return a sink's position; ``None`` if it has none yet.

        Raises:
            InvalidInput: If the name cannot be one of a file.
            StateError: If it cannot be read.
        """
        path = self._path(name)
        try:
            return int(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StateError(
                f"the position of sink {name!r} in {str(path)!r} cannot be read ({type(error).__name__}): "
                "mend it, or remove it to begin with what comes next"
            ) from error

    def write(self, name: str, seq: int) -> None:
        """Keep a sink's position, durably.

        Raises:
            StateError: If it cannot be written.
        """
        path = self._path(name)
        part = ""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(dir=self._folder, prefix=f".{name}-")
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(str(seq))
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(path)
        except OSError as error:
            with suppress(OSError):
                Path(part).unlink(missing_ok=True)
            raise StateError(
                f"the position of sink {name!r} cannot be kept in {str(self._folder)!r} ({error.strerror}): "
                "give a folder that this user can write to"
            ) from error

    def _path(self, name: str) -> Path:
        return self._folder / f"{_check.name(name, 'a sink')}.position"
