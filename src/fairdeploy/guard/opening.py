"""A backend from its URI, by whichever installed package offers the scheme."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from fairdeploy.errors import InvalidInput, MissingDependency

if TYPE_CHECKING:
    from fairdeploy.protocols import Backend

__all__ = ["Opener", "open_backend"]

_GROUP = "fairdeploy.backends"


class Opener(Protocol):
    """What an entry point of the group ``fairdeploy.backends``, named as a URI's scheme, stands for."""

    def open(self, uri: str, /, *, guard: bool | None) -> AbstractAsyncContextManager[Backend]:
        """Open the backend of a URI, with everything that the program which made it had by default.

        Args:
            uri: As in `Backend.uri`.
            guard: Whether rollouts that begin there see to it that a guard is kept; ``None``: if the backend can.
        """
        ...


def open_backend(uri: str, *, guard: bool | None = False) -> AbstractAsyncContextManager[Backend]:
    """Return the backend of a URI, to be entered.

    Args:
        uri: As in `Backend.uri`, such as ``local:///srv/deployments``.
        guard: Whether rollouts that begin there see to it that a guard is kept; ``None``: if the backend can keep one.
            Not for a guard itself.

    Raises:
        InvalidInput: If it is no URI, holds a password, or no installed package opens its scheme.
        MissingDependency: If the package that opens it lacks an extra.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        msg = f"{uri!r} is no URI of a backend ({error}): give what Backend.uri says"
        raise InvalidInput(msg) from error
    if parts.password is not None:
        msg = "a URI with a password would stand in the list of processes: give the password by a file or variable"
        raise InvalidInput(msg)
    if not parts.scheme or "://" not in uri:
        msg = (
            f"{uri!r} is no URI of a backend: give what Backend.uri says, such as 'local:///srv/deployments'"
        )
        raise InvalidInput(msg)
    found = entry_points(group=_GROUP, name=parts.scheme)
    if not found:
        known = sorted({each.name for each in entry_points(group=_GROUP)})
        msg = f"no installed package opens {parts.scheme!r} backends, only {known!r}: install the one that made it"
        raise InvalidInput(msg)
    try:
        opener = cast("Opener", next(iter(found)).load())
    except ImportError as error:
        msg = f"the backend {parts.scheme!r} cannot be loaded ({error}): pip install 'fairdeploy[{parts.scheme}]'"
        raise MissingDependency(msg) from error
    return opener.open(uri, guard=guard)
