"""What a check is about."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from fairdeploy.errors import InvalidInput

__all__ = ["Scope", "prove_scope"]

Scope: TypeAlias = Literal["revision", "shared"]
"""``revision``: asked of each instance of the candidate, and can convict it. ``shared``:
something that all revisions use (a database); its failure holds a rollout, but is no
reason to go back."""


def prove_scope(scope: str) -> None:
    """Do nothing if a scope is one of the two.

    Raises:
        InvalidInput: If it is not.
    """
    if scope not in get_args(Scope):
        msg = f"scope must be one of {list(get_args(Scope))!r}, not {scope!r}"
        raise InvalidInput(msg)
