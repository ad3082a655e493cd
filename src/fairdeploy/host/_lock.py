"""One at a time, between processes: the kernel lets go when a holder dies."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fairdeploy.errors import BackendError, StateError
from fairdeploy.system import flocked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@asynccontextmanager
async def held(path: Path, *, seconds: float) -> AsyncGenerator[int]:
    """Hold a lock file, waiting for at most so many seconds. A holder that is stopped is let run until it gives it back.

    Yields:
        Its descriptor: a child that it is passed to holds the lock as well, until it ends.

    Raises:
        BackendError: If another holds it for longer.
        StateError: If the file cannot be opened.
    """
    async with AsyncExitStack() as stack:
        try:
            fd = await stack.enter_async_context(flocked(path, seconds=seconds))
        except TimeoutError as error:
            raise BackendError(
                f"lock {str(path)!r} has been held for over {seconds:g} s by {error}: wait for it, or end it"
            ) from None
        except OSError as error:
            raise StateError(
                f"lock {str(path)!r} cannot be opened ({error.strerror}): give a folder that this user can write to"
            ) from error
        yield fd
