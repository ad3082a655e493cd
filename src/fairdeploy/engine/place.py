"""Which of a deployer's backends a target is on, and what stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.planning import observed
from fairdeploy.errors import InvalidInput, UnknownTarget
from fairdeploy.model import Target

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.model import Deployment
    from fairdeploy.protocols import Backend

__all__ = ["place_of", "standing"]


def place_of(desk: Desk, target: Target, name: str | None) -> tuple[str, Backend]:
    """Return a backend with its name; ``None`` is the only one.

    Raises:
        InvalidInput: If the target is none, if there are several backends and none is named, or none has the name.
    """
    if not isinstance(target, Target):
        msg = f"a target must be a Target, such as Target('shop'), not {target!r}"
        raise InvalidInput(msg)
    if name is None:
        if len(desk.backends) > 1:
            msg = f"name one of the backends {sorted(desk.backends)!r}: backend=..."
            raise InvalidInput(msg)
        name = next(iter(desk.backends))
    return name, desk.backend(name)


async def standing(desk: Desk, target: Target, name: str | None) -> tuple[str, Backend, Deployment]:
    """Return what is deployed, and where.

    Raises:
        InvalidInput: As `place_of`.
        UnknownTarget: If nothing is deployed there.
        BackendError: If it cannot be observed.
    """
    name, backend = place_of(desk, target, name)
    now = await observed(backend, target)
    if now.stable is None:
        msg = f"nothing is deployed at {target.id!r}: deploy a release there first"
        raise UnknownTarget(msg)
    return name, backend, now
