"""What a backend or router can do, declared so that it can be asked before anything moves."""

from __future__ import annotations

from enum import StrEnum
from typing import final

from fairdeploy.errors import InvalidInput

__all__ = ["Capability"]


@final
class Capability(StrEnum):
    """A declared ability. A plan that needs an undeclared one is refused when it is made."""

    REVISIONS = "revisions"
    """Several revisions can stand side by side, the old one kept warm."""
    REPLICAS = "replicas"
    """A revision can have any number of instances, stopped one by one."""
    WEIGHTS = "weights"
    """Traffic can be split by share."""
    SWITCHES = "switches"
    """All traffic can be moved from one revision to another, but not be shared. Where shares can be, it goes without saying."""
    HEADERS = "headers"
    """Requests with a header can be sent to one revision."""
    MIRROR = "mirror"
    """Requests can be copied."""
    STICKY = "sticky"
    """Visitors can be kept on a revision."""
    COUNTERS = "counters"
    """Requests, errors and latency are counted per revision."""
    MEMBERS_TOLD = "members_told"
    """The router's members are what `TrafficRouter.apply` says (else the platform finds them)."""
    DRAIN_COUNTED = "drain_counted"
    """Requests in flight are counted per instance."""
    DRAIN_TIMED = "drain_timed"
    """Drains can only be waited for by the clock."""
    DELEGATED = "delegated"
    """The platform replaces instances by itself, watched by us (see `RolloutController`)."""
    DELEGATED_SHARES = "delegated_shares"
    """It also moves the traffic by itself, by shares that it is told."""
    JOBS = "jobs"
    """One-off commands can be run beside a revision."""
    TLS = "tls"
    """The endpoint can terminate TLS."""
    FENCED = "fenced"
    """Effects of an older epoch are refused by the backend itself."""

    @classmethod
    def _missing_(cls, value: object) -> Capability | None:
        msg = f"there is no capability {value!r}; known are {[str(known) for known in cls]!r}"
        raise InvalidInput(msg)
