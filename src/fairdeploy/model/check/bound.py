"""A check that stands for a callable."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check.scope import Scope

__all__ = ["BoundCheck"]


@final
@dataclass(frozen=True, slots=True)
class BoundCheck:
    """A callable that the deploying program gives by name: ``Deployer(checks={name: callable})``.

    Only the name and a hash of its configuration are recorded. Going forward needs the
    callable; going back never does.

    Args:
        name: The key in ``checks``.
        configuration: Hash of whatever configures the callable, as the program states it.
        scope: See `Scope`.
    """

    __pydantic_config__ = STRICT

    name: str
    _: KW_ONLY
    configuration: str = ""
    scope: Scope = "revision"
    kind: Literal["bound"] = "bound"
