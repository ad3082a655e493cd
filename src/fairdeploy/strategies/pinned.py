"""Nothing but images by digest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import final

from fairdeploy.errors import InvalidInput, Refused
from fairdeploy.model import Capability, Deployment, Plan, Release, Target
from fairdeploy.protocols import Strategy

__all__ = ["Pinned"]


@final
@dataclass(frozen=True, slots=True)
class Pinned:
    """An image is named by its digest, or nothing is planned: a tag may be given to another image meanwhile.

    Args:
        inner: The strategy.
        environments: Where that holds; ``None``: everywhere.

    Raises:
        InvalidInput: If the environments are no collection of names.
    """

    inner: Strategy
    environments: Collection[str] | None = ("production",)

    def __post_init__(self) -> None:
        """Prove the environments."""
        if isinstance(self.environments, str):
            msg = f"environments must hold names, such as ({self.environments!r},), not be one"
            raise InvalidInput(msg)

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the inner plan.

        Raises:
            Refused: If the release names its image by a tag.
            UnsupportedCapability: As the inner strategy.
            InvalidInput: As the inner strategy.
        """
        guarded = self.environments is None or target.environment in self.environments
        if guarded and release.image is not None and "@sha256:" not in release.image:
            msg = (
                f"image {release.image!r} is named by a tag, and {target.id!r} takes digests only: "
                "deploy `await fairdeploy.images.pinned(release)`"
            )
            raise Refused(msg)
        return self.inner.plan(release, target, deployment, capabilities)
