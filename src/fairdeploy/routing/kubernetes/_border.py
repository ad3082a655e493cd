"""Where answers of the API server become errors of a router."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fairdeploy.errors import BackendError, Refused, RouterError
from fairdeploy.routing.kubernetes.client import Answered

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["border"]


@contextmanager
def border(what: str) -> Iterator[None]:
    """Say in our words what the API server would not do.

    Raises:
        Refused: If it is not allowed.
        RouterError: If something else is wrong.
    """
    try:
        yield
    except Answered as answer:
        if answer.status in {401, 403}:
            raise Refused(
                f"{what}: not allowed: {answer.message}: grant the Role that required_permissions() prints"
            ) from answer
        raise RouterError(f"{what}: the API server says {answer.status}: {answer.message}") from answer
    except BackendError as error:
        raise RouterError(str(error)) from error
