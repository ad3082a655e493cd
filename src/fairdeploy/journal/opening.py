"""A journal from its address, in whatever program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from fairdeploy.errors import InvalidInput
from fairdeploy.journal.sqlite import SQLiteJournal
from fairdeploy.model import SecretRef

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.protocols import Journal

__all__ = ["open_journal", "secrets_of"]

_POSTGRES: Final = {"postgresql", "postgres"}


def open_journal(address: str) -> AbstractAsyncContextManager[Journal]:
    """Return the journal of an address, to be entered.

    Args:
        address: As in `Findable.address`: ``sqlite:///srv/journal.sqlite``, or what `PostgresJournal.open` takes.

    Raises:
        InvalidInput: If it is no address of a journal.
        MissingDependency: If its extra is not installed.
    """
    scheme, _, rest = address.partition("://")
    if scheme in _POSTGRES:
        from fairdeploy.journal.postgres import PostgresJournal  # noqa: PLC0415 -- unless one is asked for

        return PostgresJournal.open(address)
    path = unquote(rest)
    if scheme != "sqlite" or not path.startswith("/") or "\0" in path:
        raise InvalidInput(
            f"an address of a journal is sqlite:///absolute/path or postgresql://..., not of scheme {scheme[:20]!r}"
        )
    return SQLiteJournal.open(path)


def secrets_of(address: str, environment: Mapping[str, str]) -> tuple[SecretRef, ...]:
    """Return what another program needs to know of secrets to open a journal.

    Args:
        address: As for `open_journal`.
        environment: Of the program that has opened it.

    Raises:
        InvalidInput: If it is no address of a journal.
    """
    if address.partition("://")[0] not in _POSTGRES:
        return ()
    from fairdeploy.journal.postgres.address import Address  # noqa: PLC0415 -- unless one is asked for

    found = Address.of(address)
    if found.reference is not None:
        return (found.reference,)
    return (SecretRef.env("PGPASSWORD"),) if "PGPASSWORD" in environment else ()
