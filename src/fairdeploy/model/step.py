"""The closed union of steps. Each is data; each names its target and has a stable id."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated, Literal, TypeAlias, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT, Tagged
from fairdeploy.model.check import Check
from fairdeploy.model.database_step import Backup, Freeze, Migrate, Restore, Thaw
from fairdeploy.model.delegate import Delegate
from fairdeploy.model.release import RevisionId
from fairdeploy.model.split import Split
from fairdeploy.model.target import TargetId
from fairdeploy.model.traffic import HeaderRoute, Mirror

__all__ = [
    "MATCH_STABLE",
    "Await",
    "AwaitReady",
    "Bake",
    "Drain",
    "Job",
    "Promote",
    "Replicas",
    "Retire",
    "RunJob",
    "Scale",
    "Shift",
    "Start",
    "Step",
    "Verify",
    "Window",
]

MATCH_STABLE: Literal["match_stable"] = "match_stable"
"""As many replicas as stable has at that moment (for targets that an autoscaler owns)."""

Replicas: TypeAlias = int | Literal["match_stable"]


@final
@dataclass(frozen=True, slots=True)
class Start:
    """Bring a revision up with so many replicas, without traffic."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    replicas: Replicas
    deadline_ms: int = 300_000
    kind: Literal["start"] = "start"


@final
@dataclass(frozen=True, slots=True)
class AwaitReady:
    """Wait until every wanted instance of a revision is ready, seen by the router too.

    ``min_ready_ms`` is how long all must have stayed so.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    deadline_ms: int = 300_000
    min_ready_ms: int = 0
    kind: Literal["await_ready"] = "await_ready"


@final
@dataclass(frozen=True, slots=True)
class Verify:
    """Run checks once on the revision's own addresses, before it gets traffic."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    checks: tuple[Check, ...]
    deadline_ms: int = 60_000
    kind: Literal["verify"] = "verify"


@final
@dataclass(frozen=True, slots=True)
class Shift:
    """Put a whole routing rule in force: split, header routes, mirror. ``None``: no traffic."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    split: Split | None
    headers: tuple[HeaderRoute, ...] = ()
    mirror: Mirror | None = None
    deadline_ms: int = 60_000
    kind: Literal["shift"] = "shift"


@final
@dataclass(frozen=True, slots=True)
class Bake:
    """Let the guards watch for so long. Time paused or held does not count."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    duration_ms: int
    kind: Literal["bake"] = "bake"


@final
@dataclass(frozen=True, slots=True)
class Window:
    """A weekly time in which something may happen.

    Args:
        days: 0 (Monday) to 6 (Sunday).
        opens: Minutes after midnight, 0 to 1439.
        closes: Minutes after midnight, above ``opens``, at most 1440.
        zone: IANA name of the time zone.

    Raises:
        InvalidInput: If a value is out of range or the zone is unknown.
    """

    __pydantic_config__ = STRICT

    _: KW_ONLY
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    opens: int = 9 * 60
    closes: int = 17 * 60
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Prove the range and that the zone exists here."""
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - few plans have windows

        object.__setattr__(self, "days", tuple(sorted(set(self.days))))
        if not self.days or any(isinstance(d, bool) or not 0 <= d <= 6 for d in self.days):
            msg = f"window days {self.days!r} must be numbers from 0 (Monday) to 6 (Sunday)"
            raise InvalidInput(msg)
        _check.whole(self.opens, "window opens", low=0, high=1_439)
        _check.whole(self.closes, "window closes", low=self.opens + 1, high=1_440)
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            msg = f"window zone {self.zone!r} is not a known IANA time zone, such as 'Europe/Amsterdam'"
            raise InvalidInput(msg) from None


@final
@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a person's approval, or for a window to open.

    Args:
        reason: What is waited for.
        timeout_ms: Longest wait.
        then: What follows when it runs out.
        window: For ``reason="window"``.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    reason: Literal["approval", "window"] = "approval"
    timeout_ms: int = 86_400_000
    then: Literal["abort", "continue"] = "abort"
    window: Window | None = None
    kind: Literal["await"] = "await"

    def __post_init__(self) -> None:
        """Prove that a window goes with its reason."""
        if (self.window is None) != (self.reason == "approval"):
            msg = f"step {self.id!r}: a window goes with reason='window', and only with it"
            raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True)
class Scale:
    """Bring the number of replicas up, or down to those that are left after a `Drain`."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    replicas: Replicas
    deadline_ms: int = 300_000
    kind: Literal["scale"] = "scale"


@final
@dataclass(frozen=True, slots=True)
class Drain:
    """Wait until requests in flight have ended.

    Args:
        keep: How many instances go on serving; the others are taken out of the router and
            marked to be stopped. ``None``: the whole revision, which has no traffic any more
            and may stay warm.
        requests_ms: Time for requests; what is left after it is counted and cut when stopped.
        streams_ms: Time for upgraded connections, from the same moment.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    keep: int | None = None
    requests_ms: int = 30_000
    streams_ms: int = 60_000
    kind: Literal["drain"] = "drain"


@final
@dataclass(frozen=True, slots=True)
class Retire:
    """Stop a revision and forget it, at once or when a warm window has passed."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    keep_warm_ms: int = 0
    deadline_ms: int = 120_000
    kind: Literal["retire"] = "retire"


@final
@dataclass(frozen=True, slots=True)
class Promote:
    """Write the stable marks. The one point of no return: before it back, after it forward.

    Args:
        targets: Pairs of target and the revision that becomes its stable; all at once.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    targets: tuple[tuple[TargetId, RevisionId], ...]
    deadline_ms: int = 60_000
    kind: Literal["promote"] = "promote"


@final
@dataclass(frozen=True, slots=True)
class Job:
    """A command run once beside a revision, with its environment.

    Raises:
        InvalidInput: If the name is not one, or the command is empty.
    """

    __pydantic_config__ = STRICT

    name: str
    _: KW_ONLY
    command: tuple[str, ...] | list[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        """Prove name and argument vector."""
        _check.name(self.name, "job")
        object.__setattr__(self, "command", _check.strings(self.command, "job command"))
        if not self.command:
            msg = f"job {self.name!r} has no command"
            raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True)
class RunJob:
    """Run a job to its end; a status other than 0 fails the rollout."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    job: Job
    deadline_ms: int = 600_000
    kind: Literal["run_job"] = "run_job"


Step: TypeAlias = Annotated[
    Start
    | AwaitReady
    | Verify
    | Shift
    | Bake
    | Await
    | Scale
    | Drain
    | Retire
    | Promote
    | RunJob
    | Delegate
    | Backup
    | Migrate
    | Restore
    | Freeze
    | Thaw,
    Tagged(),
]
"""Any step. Match it exhaustively; a new kind of step is a new schema."""
