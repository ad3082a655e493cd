"""A check that connects."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check.scope import Scope, prove_scope

__all__ = ["TCPCheck"]


@final
@dataclass(frozen=True, slots=True)
class TCPCheck:
    """A connection is accepted.

    Args:
        address: ``host:port`` for scope ``shared``; ``None``: each instance's own address.
        timeout_ms: For the connection.
        scope: See `Scope`.

    Raises:
        InvalidInput: If address and scope do not fit.
    """

    __pydantic_config__ = STRICT

    address: str | None = None
    _: KW_ONLY
    timeout_ms: int = 5_000
    scope: Scope = "revision"
    kind: Literal["tcp"] = "tcp"

    def __post_init__(self) -> None:
        """Prove that the address fits the scope."""
        prove_scope(self.scope)
        if (self.address is None) != (self.scope == "revision"):
            msg = f"TCPCheck of scope {self.scope!r} with address {self.address!r}: an address goes with scope='shared'"
            raise InvalidInput(msg)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)
