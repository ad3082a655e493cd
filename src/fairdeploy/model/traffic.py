"""What a router is told, and what it says back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.deployment import InstanceId
from fairdeploy.model.probe import Probe
from fairdeploy.model.release import RevisionId
from fairdeploy.model.split import WHOLE, Split

__all__ = ["Counters", "HeaderRoute", "Histogram", "Member", "Mirror", "Pool", "Routes", "Traffic"]


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""What a header may be called (RFC 9110, section 5.6.2)."""


@final
@dataclass(frozen=True, slots=True)
class Member:
    """An instance as the router reaches it."""

    __pydantic_config__ = STRICT

    instance: InstanceId
    address: str


@final
@dataclass(frozen=True, slots=True)
class Pool:
    """The members of one revision, and how the router watches them itself.

    Args:
        revision: Whose members.
        members: May be empty: the pool then takes no traffic.
        probe: The readiness probe, for routers that check actively; ``None``: none.
    """

    __pydantic_config__ = STRICT

    revision: RevisionId
    members: tuple[Member, ...] = ()
    probe: Probe | None = None


@final
@dataclass(frozen=True, slots=True)
class HeaderRoute:
    """Send requests that carry a header to a revision, whatever the split (smoke tests).

    Raises:
        InvalidInput: If name or value could not be a header.
    """

    __pydantic_config__ = STRICT

    name: str
    value: str
    revision: RevisionId

    def __post_init__(self) -> None:
        """Refuse what could break out of a header."""
        if not _TOKEN.fullmatch(self.name) or any(c in self.value for c in "\r\n\0"):
            msg = f"header {self.name!r}: {self.value!r} cannot be sent: use a token and a value without line breaks"
            raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True)
class Mirror:
    """Copy a share of requests to a revision and throw its answers away.

    Args:
        revision: Who gets the copies.
        basis_points: Share of all requests, 1 to 10,000.

    Raises:
        InvalidInput: If the share is out of range.
    """

    __pydantic_config__ = STRICT

    revision: RevisionId
    basis_points: int

    def __post_init__(self) -> None:
        """Prove the share."""
        _check.whole(self.basis_points, "mirror basis_points", low=1, high=WHOLE)


@final
@dataclass(frozen=True, slots=True)
class Routes:
    """One routing document: members, split, header and mirror rules. Applied as a whole.

    Args:
        pools: One per revision that the router should know; a revision left out frees its slot.
        split: Traffic, or ``None`` for none (the router answers 503).
        headers: Header rules, first match wins.
        mirror: Copies, or ``None``.
        sticky: Keep visitors on their revision by cookie.

    Raises:
        InvalidInput: If a rule names a revision without a pool, or a revision has two pools.
    """

    __pydantic_config__ = STRICT

    pools: tuple[Pool, ...] = ()
    _: KW_ONLY
    split: Split | None = None
    headers: tuple[HeaderRoute, ...] = ()
    mirror: Mirror | None = None
    sticky: bool = False

    def __post_init__(self) -> None:
        """Prove that every rule leads somewhere."""
        known = [pool.revision for pool in self.pools]
        if len(set(known)) != len(known):
            msg = f"a revision has two pools: {known!r}"
            raise InvalidInput(msg)
        named = [*(self.split.shares if self.split else ()), *(h.revision for h in self.headers)]
        if self.mirror:
            named.append(self.mirror.revision)
        for revision in named:
            if revision not in known:
                msg = f"a route names revision {revision!r}, which has no pool; known are {known!r}"
                raise InvalidInput(msg)

    def pool(self, revision: RevisionId) -> Pool | None:
        """Return the pool of a revision, or ``None``."""
        return next((pool for pool in self.pools if pool.revision == revision), None)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the router says.

    Args:
        written: The document last written, or ``None`` before the first.
        acknowledged: Whether the router serves by ``written`` (not: has accepted it).
        healthy: Members that the router would send requests to now.
        in_flight: Requests under way per instance, also on members removed from their pool;
            ``None`` if the router cannot count. Instances with none may be left out.
        streams: How many of them are upgraded connections (websockets); ``None`` if unknown.
    """

    written: Routes | None = None
    acknowledged: bool = False
    healthy: frozenset[InstanceId] = frozenset()
    in_flight: Mapping[InstanceId, int] | None = None
    streams: int | None = None

    @property
    def split(self) -> Split | None:
        """The split in force, as far as the router was told."""
        return self.written.split if self.written else None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Cumulative counts: ``counts[i]`` requests took at most ``bounds_ms[i]`` milliseconds."""

    bounds_ms: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Prove that bounds and counts belong together."""
        if len(self.bounds_ms) != len(self.counts):
            msg = f"a histogram needs a count per bound, not {len(self.counts)} for {len(self.bounds_ms)}"
            raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the router has counted for one revision since some moment. Only differences mean anything.

    Args:
        requests: Answered requests that went by the split (smoke tests are not among them).
        errors: Of these, answers of the revision with a status of 500 or more.
        retries: Requests that the router tried again elsewhere.
        latency: Time to the complete answer.
        incarnation: Changes whenever counting began anew (router restart, slot given to another revision).
    """

    requests: int = 0
    errors: int = 0
    retries: int = 0
    latency: Histogram = field(default_factory=Histogram)
    incarnation: str = ""
