"""Where a database is, and how its own programs and its driver reach it without showing a password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, final
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from fairdeploy.errors import InvalidInput
from fairdeploy.model import SecretRef

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_NAME", "DatabaseAddress", "quoted"]

MAX_NAME: Final = 63
"""Bytes that PostgreSQL keeps of a name; more is cut off silently (NAMEDATALEN)."""
_SCHEMES: Final = {"postgresql", "postgres"}
_KEPT: Final = ("PATH", "HOME", "LANG", "TZ", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGPASSFILE")


def quoted(name: str) -> str:
    """Return a name as SQL quotes it.

    Raises:
        InvalidInput: If PostgreSQL could not keep it as it is.
    """
    if not name or "\0" in name or len(name.encode()) > MAX_NAME:
        msg = f"a PostgreSQL name has 1 to {MAX_NAME} bytes: {name!r} does not"
        raise InvalidInput(msg)
    return '"' + name.replace('"', '""') + '"'


@final
@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """A PostgreSQL database.

    Args:
        dsn: ``postgresql://user@host:port/name?...``, without a password, so that it can be shown and recorded.
        password: Where the password is found each time; ``None``: libpq's own ways (``~/.pgpass``, peer, ...).
        programs: Folder of ``pg_dump`` and its like; ``None``: they are on ``PATH``.

    Raises:
        InvalidInput: If it is no such DSN, or holds a password.

    Example:
        >>> shop = DatabaseAddress(
        ...     "postgresql://owner@db.internal/shop", password=SecretRef.env("DB_PASSWORD")
        ... )
        >>> shop.name
        'shop'
    """

    dsn: str
    password: SecretRef | None = None
    programs: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what is no DSN, and what must not be shown."""
        scheme = self.dsn.partition("://")[0] if isinstance(self.dsn, str) else ""
        if scheme not in _SCHEMES:
            msg = (
                "a database's DSN begins with postgresql://, such as 'postgresql://owner@db.internal/shop': "
                f"this one does not (scheme {scheme[:20]!r})"
            )
            raise InvalidInput(msg)
        try:
            parts = urlsplit(self.dsn)
        except ValueError:  # not shown: a password may stand in it
            msg = "a database's DSN names its host as a name or an address, [...] around one of IPv6: this one does not"
            raise InvalidInput(msg) from None
        keys = {key for key, _ in parse_qsl(parts.query)}
        if parts.password is not None or "password" in keys:
            msg = (
                "a database's DSN must not hold the password: give password=SecretRef.env(...) or .file(...)"
            )
            raise InvalidInput(msg)
        if "sslpassword" in keys:
            msg = (
                "a database's DSN must not hold the passphrase of a key (sslpassword): keep the client's key without "
                "one, in a file that only its user may read"
            )
            raise InvalidInput(msg)
        if not self.name:
            msg = f"DSN {self.dsn!r} names no database: end its path with one, such as '/shop'"
            raise InvalidInput(msg)

    @property
    def name(self) -> str:
        """The database's name."""
        return unquote(urlsplit(self.dsn).path.removeprefix("/"))

    def named(self, name: str) -> DatabaseAddress:
        """Return another database of the same server."""
        parts = urlsplit(self.dsn)
        return replace(self, dsn=urlunsplit(parts._replace(path="/" + quote(name, safe=""))))

    @property
    def maintenance(self) -> DatabaseAddress:
        """The database of the same server to be connected to while others are made, renamed or dropped."""
        return self.named("postgres")

    def secret(self) -> str | None:
        """Return the password, if a reference to it was given. Keep it in memory only.

        Raises:
            Unbound: If it cannot be found.
        """
        return None if self.password is None else self.password.resolve()

    def environment(self) -> Mapping[str, str]:
        """Return what the programs need to connect; the password stands here and in no argument.

        Raises:
            Unbound: If the password cannot be found.
        """
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        password = self.secret()
        return kept | {"PGAPPNAME": "fairdeploy"} | ({} if password is None else {"PGPASSWORD": password})

    def hide(self, text: str) -> str:
        """Return a text without the password, should it stand in there."""
        password = self.secret()
        return text if not password else re.sub(re.escape(password), "***", text)
