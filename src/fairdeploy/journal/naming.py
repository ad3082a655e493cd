"""The journal that the URI of a backend names, where it is not the backend's own: how a guard and others find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fairdeploy.errors import InvalidInput
from fairdeploy.protocols.journal import Findable

if TYPE_CHECKING:
    from fairdeploy.protocols.journal import Journal

__all__ = ["JOURNAL", "named"]

JOURNAL: Final = "journal"
"""Its name in the query of a URI."""


def named(told: str | None, given: Journal | None) -> str | None:
    """Return the address of the journal of a backend; ``None`` where it is the backend's own, or cannot be told.

    Args:
        told: What the backend's URI says.
        given: What the program that opens the backend gives.

    Raises:
        InvalidInput: If the URI names another one than is given, or what it says has a password or is no address.
    """
    _refuse_password(told or "")
    address = given.address() if isinstance(given, Findable) else None
    if told is not None and given is not None and told != address:
        raise InvalidInput(
            "the URI names a journal, and another one is given: leave one of them out, or targets have two leases"
        )
    return told or address


def _refuse_password(address: str) -> None:
    try:
        clear = urlsplit(address).password is not None
    except ValueError as error:
        raise InvalidInput(
            f"the journal in the URI is no address ({error}): give what Backend.uri says"
        ) from error
    if clear:
        raise InvalidInput(
            "a URI with a password would stand in the list of processes: give it by a SecretRef, and Backend.uri again"
        )
