"""Asking before something moves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

from fairdeploy.errors import Refused

if TYPE_CHECKING:
    from fairdeploy.cli.output import Output

__all__ = ["confirmed"]


async def confirmed(what: str, command: str, output: Output, *, yes: bool, name: str | None = None) -> None:
    """Return if somebody agrees.

    Args:
        what: What will happen, in one sentence.
        command: What to type where nobody can be asked.
        output: Whether there is somebody to ask.
        yes: Agreed beforehand.
        name: What must be typed to agree, for what cannot be taken back; ``None``: ``y``.

    Raises:
        Refused: If nobody agrees, or nobody can be asked.
    """
    if yes:
        return
    if not output.asks:
        raise Refused(f"{what}, and nobody can be asked here: {command} --yes")
    wanted = name or "y"
    print(f"{what}. Type {wanted!r} to go on: ", end="", file=sys.stderr, flush=True)
    said = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if said.strip().lower() != wanted.lower():
        raise Refused("not agreed to: nothing has changed")
