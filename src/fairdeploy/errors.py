"""Every error that fairdeploy raises on purpose.

::

    FairdeployError
    ├── InvalidInput (also ValueError)     a value that cannot be right; nothing has changed
    │   ├── InvalidSplit                   shares that do not sum to 10,000 basis points
    │   ├── UnknownTarget                  an application that the backend does not know
    │   ├── UnknownRollout                 a rollout that the journal does not know
    │   └── MissingDependency (ImportError)  an extra that is not installed
    ├── Refused                            right as such, but not now or not here; nothing has changed
    │   ├── UnsupportedCapability          the backend or router cannot do what the plan needs
    │   ├── StalePlan                      the target has moved since the plan was made
    │   ├── LeaseHeld                      another rollout acts on the target
    │   ├── TargetOnHold                   nothing new is deployed there until somebody releases the hold
    │   ├── ValidationError                something critical was found before anything moved; carries the report
    │   ├── ImageError                     an image cannot be told by its digest, or is not signed as it must be
    │   ├── Unbound                        a check or secret that the plan names is not given
    │   ├── NoWayBack (also RollbackError)  nothing verified is there to go back to
    │   └── ConsentRequired                rows would be lost, and nobody has agreed; carries the report
    ├── Fenced                             a newer holder has taken over; this one must stop
    ├── JournalError                       the durable record cannot be read or written
    │   └── RecordError                    a record that this version does not understand
    ├── BackendError                       a revision could not be started, observed or stopped
    │   ├── StartError                     an instance did not come up; carries its last words
    │   └── StateError                     the state folder is unusable or from elsewhere
    ├── RouterError                        traffic could not be read or changed
    ├── DatabaseError                      a database could not be read, backed up or changed
    │   └── BackupError                    a backup that cannot be trusted
    ├── MetricsError                       a source of metrics has no answer, or none that can be used
    ├── KnowledgeError                     a source of knowledge has no answer
    ├── NotificationError                  news that did not arrive
    ├── DeadlineExceeded                   a phase did not finish in its time
    ├── DeploymentError                    a rollout that did not promote; carries the result
    └── RollbackError                      a way back that did not reach its end

Every message names the thing with ``repr``, says what was expected, and what to do next.
``except FairdeployError`` catches all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.model.loss import LossReport
    from fairdeploy.model.result import RolloutResult
    from fairdeploy.model.validation import ValidationResult

__all__ = [
    "BackendError",
    "BackupError",
    "ConsentRequired",
    "DatabaseError",
    "DeadlineExceeded",
    "DeploymentError",
    "FairdeployError",
    "Fenced",
    "ImageError",
    "InvalidInput",
    "InvalidSplit",
    "JournalError",
    "KnowledgeError",
    "LeaseHeld",
    "MetricsError",
    "MissingDependency",
    "NoWayBack",
    "NotificationError",
    "RecordError",
    "Refused",
    "RollbackError",
    "RouterError",
    "StalePlan",
    "StartError",
    "StateError",
    "TargetOnHold",
    "Unbound",
    "UnknownRollout",
    "UnknownTarget",
    "UnsupportedCapability",
    "ValidationError",
]


class FairdeployError(Exception):
    """The root of the tree: whatever fairdeploy raises on purpose."""

    retryable: bool = False
    """Whether the same call may succeed later without a change by the caller."""

    retry_after: float | None = None
    """Seconds until it is worth trying again, where whoever refused has said so."""


# Bad input: found before anything has changed.


class InvalidInput(FairdeployError, ValueError):
    """A value that cannot be right. Mend the value and call again."""


class InvalidSplit(InvalidInput):
    """A traffic split whose shares do not sum to 10,000 basis points (100 %)."""


class UnknownTarget(InvalidInput):
    """The backend knows no such application and environment."""


class UnknownRollout(InvalidInput):
    """The journal holds no such rollout."""


class MissingDependency(InvalidInput, ImportError):
    """An optional part is used whose extra is not installed; the message says which."""


# Refused: the request makes sense, but not here or not now.


class Refused(FairdeployError):
    """Refused before anything has changed."""


class UnsupportedCapability(Refused):
    """The plan needs something that this backend or router does not declare."""


class StalePlan(Refused):
    """The target is not in the state the plan was made for. Make a new plan."""


class LeaseHeld(Refused):
    """Another rollout acts on the target. Wait, supersede it, or abort it."""

    retryable = True


class ImageError(Refused):
    """Which image it is cannot be told, or nobody who must have signed it has."""


class TargetOnHold(Refused):
    """It was rolled back by itself, or somebody put it on hold. Release the hold once the cause is known."""


class Unbound(Refused):
    """The plan names a check or a secret that this process was not given."""


class ValidationError(Refused):
    """A validation found something critical before anything moved; the message says what, and what to do.

    Attributes:
        result: Everything that was found.
    """

    def __init__(self, message: str, result: ValidationResult | None = None) -> None:
        """Carry the report, so that a caller need not parse the message."""
        self.result = result
        super().__init__(message)


# While acting.


class ConsentRequired(Refused):
    """Rows would be lost and nobody has agreed to that. Nothing has changed.

    Attributes:
        report: What would be lost; agree by its ``digest``.
    """

    def __init__(self, message: str, report: LossReport) -> None:
        """Carry the report, so that a caller can show it."""
        self.report = report
        super().__init__(message)


class Fenced(FairdeployError):
    """A newer holder has taken the target over; whoever sees this stops at once."""


class JournalError(FairdeployError):
    """The journal cannot be read or written (disk full, locked, not ours)."""

    retryable = True


class RecordError(JournalError):
    """A stored record that this version cannot read. The input is never shown."""

    retryable = False


class BackendError(FairdeployError):
    """The backend could not carry out an effect or an observation."""

    retryable = True


class StartError(BackendError):
    """An instance did not come up.

    Attributes:
        last_words: The last lines that the instance wrote, oldest first.
    """

    retryable = False

    def __init__(self, message: str, last_words: Sequence[str] = ()) -> None:
        """Keep the message and the evidence apart, so that neither hides the other."""
        self.last_words = tuple(last_words)
        tail = "".join(f"\n  | {line}" for line in self.last_words)
        super().__init__(message + tail)


class StateError(BackendError):
    """The backend's state folder is unusable: unwritable, foreign, or damaged."""

    retryable = False


class RouterError(FairdeployError):
    """The router could not be read, or refused a configuration."""

    retryable = True


class DatabaseError(FairdeployError):
    """A database could not be read, backed up or changed; the message says what state it is in."""


class BackupError(DatabaseError):
    """A backup that cannot be restored, or does not hold what it should."""


class MetricsError(FairdeployError):
    """A source of metrics cannot be reached in time, or answers what cannot be counted with."""

    retryable = True


class KnowledgeError(FairdeployError):
    """A source of knowledge cannot be reached in time, or answers what cannot be read."""

    retryable = True


class NotificationError(FairdeployError):
    """News did not arrive where it was sent, or that cannot be told. ``retryable``: it is sent again."""

    retryable = True


class DeadlineExceeded(FairdeployError):
    """A phase did not finish before its deadline."""


class DeploymentError(FairdeployError):
    """A rollout ended without being promoted.

    Attributes:
        result: How it ended, with the evidence.
    """

    def __init__(self, message: str, result: RolloutResult | None = None) -> None:
        """Carry the result, so that a caller need not parse the message."""
        self.result = result
        super().__init__(message)


class RollbackError(FairdeployError):
    """A rollback did not reach its end; the message says what serves now."""


class NoWayBack(Refused, RollbackError):
    """Nothing verified is there to go back to. Nothing has changed."""
