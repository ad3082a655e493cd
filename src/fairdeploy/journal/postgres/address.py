"""Where a PostgreSQL journal is: what may be shown of it, and what may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from fairdeploy.errors import InvalidInput
from fairdeploy.journal.postgres.schema import quoted
from fairdeploy.model import SecretRef

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Address"]

_SCHEMES: Final = {"postgresql", "postgres"}
_SCHEMA: Final = "fairdeploy_schema"
_PASSWORD: Final = "fairdeploy_password"  # noqa: S105 -- the name of a parameter


@final
@dataclass(frozen=True, slots=True)
class Address:
    """Where a journal is.

    Args:
        dsn: For the driver, without a password.
        schema: Where the tables are.
        reference: Where the password is found each time it is needed.
        given: A password that stood in the DSN. It is never shown.
    """

    dsn: str
    schema: str = "fairdeploy"
    reference: SecretRef | None = None
    given: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, dsn: str, *, password: SecretRef | None = None, schema: str | None = None) -> Address:
        """Read a DSN, which may be the `uri` of a journal.

        Raises:
            InvalidInput: If it is none, or says something else than the other arguments. It is not shown.
        """
        scheme = dsn.partition("://")[0] if isinstance(dsn, str) else ""
        if scheme not in _SCHEMES:
            raise InvalidInput(
                "a PostgreSQL journal's DSN begins with postgresql://, such as "
                f"'postgresql://deployer@db.internal/deployments': this one does not (scheme {scheme[:20]!r})"
            )
        try:
            parts = urlsplit(dsn)
        except ValueError:
            # Not from that error: it may show what it could not read, a password too.
            parts = None
        if parts is None:
            raise InvalidInput(
                "the DSN of a PostgreSQL journal cannot be read: quote what is no letter or digit by per cent"
            )
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        said, named = query.pop(_PASSWORD, None), query.pop(_SCHEMA, None)
        given = parts.password if parts.password is not None else query.pop("password", None)
        query.pop("password", None)
        if "sslpassword" in query:  # the journal's URI would show it
            raise InvalidInput(
                "the DSN of a PostgreSQL journal must not hold the passphrase of a key (sslpassword): keep the client's "
                "key without one, in a file that only its user may read"
            )
        if schema is not None and named not in {None, schema}:
            raise InvalidInput(f"the DSN says schema {named!r}, and schema={schema!r} is given: say it once")
        where = schema or named or "fairdeploy"
        quoted(where)
        user, at, host = parts.netloc.rpartition("@")
        netloc = user.partition(":")[0] + at + host
        return cls(
            urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, quote_via=quote), "")),
            where,
            password or _reference(said),
            unquote(given) if given is not None and parts.password is not None else given,
        )

    @property
    def uri(self) -> str:
        """How another program finds the same journal. It holds no password, only where one is found."""
        more = {}
        if self.schema != "fairdeploy":
            more[_SCHEMA] = self.schema
        if self.reference is not None:
            more[_PASSWORD] = f"{self.reference.source}:{self.reference.key}"
        if not more:
            return self.dsn
        return f"{self.dsn}{'&' if '?' in self.dsn else '?'}{urlencode(more, quote_via=quote)}"

    @property
    def password(self) -> Callable[[], str] | None:
        """What the driver asks for the password with each connection; ``None``: it looks where libpq does."""
        reference, given = self.reference, self.given
        if reference is not None:
            return reference.resolve
        return None if given is None else lambda: given


def _reference(said: str | None) -> SecretRef | None:
    if said is None:
        return None
    source, _, key = said.partition(":")
    if source == "env":
        return SecretRef.env(key)
    if source == "file":
        return SecretRef.file(key)
    raise InvalidInput(
        f"{_PASSWORD} in a DSN is env:VARIABLE or file:/absolute/path, not of source {source!r}"
    )
