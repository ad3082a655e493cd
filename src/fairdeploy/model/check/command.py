"""A check that runs a command."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check.scope import Scope, prove_scope

__all__ = ["CommandCheck"]


@final
@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A command exits with 0. ``{address}`` in it is the instance's address (scope ``revision``).

    Args:
        command: Argument vector, never given to a shell.
        contains: Text that the last 8 KiB of its output must hold as well; ``None``: any output.
        timeout_ms: After which it is killed and counts as failed.
        scope: See `Scope`.

    Raises:
        InvalidInput: If the command is empty.
    """

    __pydantic_config__ = STRICT

    command: tuple[str, ...] | list[str]
    _: KW_ONLY
    timeout_ms: int = 30_000
    scope: Scope = "revision"
    kind: Literal["command"] = "command"
    contains: str | None = None

    def __post_init__(self) -> None:
        """Prove the argument vector."""
        prove_scope(self.scope)
        object.__setattr__(self, "command", _check.strings(self.command, "check command"))
        if not self.command:
            msg = "a CommandCheck needs a command: CommandCheck(['./smoke', '{address}'])"
            raise InvalidInput(msg)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)
