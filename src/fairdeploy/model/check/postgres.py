"""A check that asks a PostgreSQL server how it is."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check._http_parts import secret
from fairdeploy.model.check.scope import Scope
from fairdeploy.model.secret import SecretRef

__all__ = ["PostgresCheck"]


@final
@dataclass(frozen=True, slots=True)
class PostgresCheck:
    """A server takes a connection and has some left, is what it should be, and is up to date.

    Needs the extra ``postgres`` and, as asyncpg does, asyncio.

    Args:
        dsn: How to connect, such as ``postgresql://app:...@db/app``: a secret, never recorded.
        role: ``primary`` (takes writes) or ``replica``; ``None``: either.
        max_lag_ms: Longest time that a replica may be behind; ``None``: not asked. A replica that
            receives nothing from a primary fails.
        min_connections: Connections that must be free beside this check's own, without those
            kept for superusers. Default 1.
        timeout_ms: For connecting and asking. Default 5 s.

    Raises:
        InvalidInput: If a value is out of range, or ``max_lag_ms`` is given without ``role="replica"``.
    """

    __pydantic_config__ = STRICT

    dsn: SecretRef
    _: KW_ONLY
    role: Literal["primary", "replica"] | None = None
    max_lag_ms: int | None = None
    min_connections: int = 1
    timeout_ms: int = 5_000
    kind: Literal["postgres"] = "postgres"

    def __post_init__(self) -> None:
        """Prove the range."""
        if self.dsn is None:
            raise InvalidInput("a PostgresCheck needs a DSN: PostgresCheck(SecretRef.env('DATABASE_URL'))")
        secret(self.dsn, "dsn")
        if self.role not in {None, "primary", "replica"}:
            raise InvalidInput(f"role must be 'primary', 'replica' or None, not {self.role!r}")
        if self.max_lag_ms is not None:
            _check.whole(self.max_lag_ms, "max_lag_ms", low=0)
            if self.role != "replica":
                raise InvalidInput("max_lag_ms is asked of replicas: give role='replica' with it")
        _check.whole(self.min_connections, "min_connections", low=0)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)

    @property
    def scope(self) -> Scope:
        """Always about what all revisions use."""
        return "shared"
