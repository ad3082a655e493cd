"""How traffic is divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from fairdeploy.errors import InvalidSplit
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.release import RevisionId

__all__ = ["WHOLE", "Split"]

WHOLE = 10_000
"""All traffic, in basis points."""


@final
@dataclass(frozen=True, slots=True)
class Split:
    """Traffic per revision in basis points (1/100 of a percent).

    Args:
        shares: Revision to share. Shares of 0 are dropped: no share and a share of 0 are the same.

    Raises:
        InvalidSplit: If a share is not a whole number from 0 to 10,000, or they do not sum to 10,000.

    Example:
        >>> Split({"1.0-a": 9_500, "1.1-b": 500}).percent("1.1-b")
        5.0
    """

    __pydantic_config__ = STRICT

    shares: Mapping[RevisionId, int]

    def __post_init__(self) -> None:
        """Prove the sum."""
        if not isinstance(self.shares, Mapping):
            msg = f"shares must be a mapping, such as {{'1.0-a': 9_500, '1.1-b': 500}}, not {self.shares!r}"
            raise InvalidSplit(msg)
        for revision, share in self.shares.items():
            if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= WHOLE:
                msg = f"the share of {revision!r} must be a whole number from 0 to {WHOLE}, not {share!r}"
                raise InvalidSplit(msg)
        total = sum(self.shares.values())
        if total != WHOLE:
            msg = f"shares must sum to {WHOLE} basis points (100 %), not {total}: {dict(self.shares)!r}"
            raise InvalidSplit(msg)
        positive = {revision: share for revision, share in self.shares.items() if share}
        object.__setattr__(self, "shares", _check.frozen_mapping(positive))

    @classmethod
    def all_to(cls, revision: RevisionId) -> Split:
        """Return the split that gives one revision everything."""
        return cls({revision: WHOLE})

    @classmethod
    def between(cls, stable: RevisionId, candidate: RevisionId, basis_points: int) -> Split:
        """Return the split that gives ``basis_points`` to the candidate and the rest to stable."""
        return cls({stable: WHOLE - basis_points, candidate: basis_points})

    def share(self, revision: RevisionId) -> int:
        """Return the revision's share in basis points; 0 if it has none."""
        return self.shares.get(revision, 0)

    def percent(self, revision: RevisionId) -> float:
        """Return the revision's share in percent."""
        return self.share(revision) / 100

    def __str__(self) -> str:
        """Return the shares as people write them: ``1.0-a 95 % · 1.1-b 5 %``."""
        ordered = sorted(self.shares.items(), key=lambda item: (-item[1], item[0]))
        return " · ".join(f"{revision} {share / 100:g} %" for revision, share in ordered)
