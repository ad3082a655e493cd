"""What belongs to a database but is in no dump of it: locale, owner, rights, settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from fairdeploy.database.address import quoted
from fairdeploy.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.database.connection import Connection

__all__ = ["FROZEN", "Properties", "properties_of"]

FROZEN: Final = "default_transaction_read_only"
_LISTS: Final = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "temp_tablespaces",
    }
)
"""Settings that PostgreSQL keeps as quoted lists (GUC_LIST_QUOTE): quoted once more, they would be one element."""
_LIST: Final = re.compile(r'(?:"(?:[^"]|"")*"|[\w$./-]+)(?:\s*,\s*(?:"(?:[^"]|"")*"|[\w$./-]+))*')
_SETTING: Final = re.compile(r"[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)*")

_LOCALES: Final = {
    "c": "NULL::text",
    "16": "daticulocale",
    "17": "datlocale",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """Of one database.

    Args:
        encoding: Such as ``UTF8``.
        collate: ``LC_COLLATE``.
        ctype: ``LC_CTYPE``.
        provider: Of its locale: ``c`` (libc), ``i`` (ICU) or ``b`` (built in).
        locale: Of ICU or the built-in provider.
        owner: Its owner.
        tablespace: Where its files are.
        limit: Of connections; -1 is none.
        grants: Who may do what: role (empty: everybody), privilege, whether it may be passed on. ``None``: the default.
        settings: For which role (empty: for all), which setting, its value.
        comment: Empty if there is none.
    """

    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str | None
    owner: str
    tablespace: str
    limit: int
    grants: tuple[tuple[str, str, bool], ...] | None
    settings: tuple[tuple[str, str, str], ...]
    comment: str

    def create(self, name: str) -> str:
        """Return the statement that makes an empty database like it."""
        words = [
            f"CREATE DATABASE {quoted(name)} TEMPLATE template0",
            f"ENCODING {_literal(self.encoding)}",
            f"LC_COLLATE {_literal(self.collate)} LC_CTYPE {_literal(self.ctype)}",
            f"OWNER {quoted(self.owner)} TABLESPACE {quoted(self.tablespace)} CONNECTION LIMIT {self.limit}",
        ]
        if self.provider == "i" and self.locale:
            words.append(f"LOCALE_PROVIDER icu ICU_LOCALE {_literal(self.locale)}")
        if self.provider == "b" and self.locale:
            words.append(f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {_literal(self.locale)}")
        return " ".join(words)

    def apply(self, name: str) -> Iterator[str]:
        """Yield the statements that give a database the same rights, settings and comment.

        Raises:
            DatabaseError: If a setting cannot be written again.
        """
        database = quoted(name)
        if self.grants is not None:
            yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
            yield f"REVOKE ALL ON DATABASE {database} FROM {quoted(self.owner)}"
            for role, privilege, further in self.grants:
                to = quoted(role) if role else "PUBLIC"
                yield f"GRANT {privilege} ON DATABASE {database} TO {to}" + (
                    " WITH GRANT OPTION" if further else ""
                )
        for role, setting, value in self.settings:
            if setting != FROZEN:
                whose = f"ROLE {quoted(role)} IN DATABASE {database}" if role else f"DATABASE {database}"
                yield f"ALTER {whose} SET {_setting(setting)} TO {_value(setting, value)}"
        if self.comment:
            yield f"COMMENT ON DATABASE {database} IS {_literal(self.comment)}"


async def properties_of(connection: Connection, name: str) -> Properties:
    """Return a database's properties, asked on any database of its server.

    Raises:
        DatabaseError: If there is no such database.
    """
    version = int(await connection.fetchval("SHOW server_version_num")) // 10_000
    provider = "datlocprovider" if version >= 15 else "'c'"
    locale = _LOCALES["17" if version >= 17 else "16" if version >= 15 else "c"]
    row = await connection.fetchrow(
        f"SELECT oid, pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, {provider}::text AS provider,"  # noqa: S608 -- column names of ours
        f" {locale} AS locale, pg_get_userbyid(datdba) AS owner, datconnlimit, datacl IS NULL AS plain,"
        " coalesce(shobj_description(oid, 'pg_database'), '') AS comment,"
        " (SELECT spcname FROM pg_tablespace s WHERE s.oid = dattablespace) AS tablespace"
        " FROM pg_database WHERE datname = $1",
        name,
    )
    if row is None:
        msg = f"there is no database {name!r} on this server"
        raise DatabaseError(msg)
    grants = await connection.fetch(
        "SELECT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END AS role, privilege_type, is_grantable"
        " FROM pg_database d, aclexplode(d.datacl) WHERE d.datname = $1 ORDER BY 1, 2",
        name,
    )
    settings = await connection.fetch(
        "SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) END AS role, unnest(setconfig) AS setting"
        " FROM pg_db_role_setting WHERE setdatabase = $1 ORDER BY 1, 2",
        row["oid"],
    )
    return Properties(
        encoding=row["encoding"],
        collate=row["datcollate"],
        ctype=row["datctype"],
        provider=row["provider"],
        locale=row["locale"],
        owner=row["owner"],
        tablespace=row["tablespace"],
        limit=row["datconnlimit"],
        grants=None
        if row["plain"]
        else tuple((g["role"], g["privilege_type"], g["is_grantable"]) for g in grants),
        settings=tuple((s["role"], *_pair(s["setting"])) for s in settings),
        comment=row["comment"],
    )


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _setting(name: str) -> str:
    if not _SETTING.fullmatch(name):
        msg = f"setting {name!r} cannot be written again: reset it first"
        raise DatabaseError(msg)
    return name


def _value(name: str, value: str) -> str:
    if name not in _LISTS:
        return _literal(value)
    if not _LIST.fullmatch(value.strip()):
        msg = f"setting {name!r} has a list that cannot be written again: reset it first"
        raise DatabaseError(msg)
    return value
