"""Where answers of the API server become errors of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fairdeploy.errors import BackendError, FairdeployError, Refused, StartError
from fairdeploy.routing.kubernetes.client import Answered

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["border"]


@contextmanager
def border(what: str, context: str) -> Iterator[None]:
    """Say in our words what the API server would not do.

    Raises:
        Refused: If it is not allowed: the message names the verb and what to grant.
        BackendError: If something else is wrong.
    """
    try:
        yield
    except Answered as answer:
        raise _error(what, context, answer) from answer


def _error(what: str, context: str, answer: Answered) -> FairdeployError:
    if answer.status == 401:
        return Refused(
            f"{what}: the API server of {context!r} does not know these credentials (expired?): log in again"
        )
    if answer.status == 403:
        return Refused(
            f"{what}: not allowed: {answer.message}: grant the Role that required_permissions() prints"
        )
    if answer.status == 422:
        return StartError(f"{what}: refused by the API server: {answer.message}")
    return BackendError(f"{what}: the API server of {context!r} says {answer.status}: {answer.message}")
