"""A backend that can tell beforehand what could not work."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fairdeploy.model import Release, Target

__all__ = ["Preflight"]


@runtime_checkable
class Preflight(Protocol):
    """What a `Backend` may be as well: asked when a plan is made, so that it is refused before harm."""

    async def check(self, target: Target, release: Release) -> None:
        """Refuse what could not work here, as far as that can be told before anything changes. Changes nothing.

        Raises:
            StartError: If the release cannot be started at all (its program is missing).
            InvalidInput: If the target cannot be served, whatever happens here (a key that fits no certificate).
            Refused: If it cannot be served now (another program has the endpoint).
        """
        ...
