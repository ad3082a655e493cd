"""The steps on databases. They belong to the union in `fairdeploy.model.step`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias, final, get_args

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.database import OnLoss
from fairdeploy.model.migration import MigrationClass
from fairdeploy.model.target import TargetId

__all__ = ["Backup", "DatabaseStep", "Freeze", "Migrate", "Restore", "Thaw"]


@final
@dataclass(frozen=True, slots=True)
class Backup:
    """Take a backup of a database, and prove it by restoring it beside.

    Args:
        id: Unique in the plan.
        target: For whose sake; its lease and epoch count.
        database: Its name in ``Deployer(databases=...)``.
        restore_ms: How long restoring the last verified one took when the plan was made: the measured time to
            recover; ``None``: there was none.
        deadline_ms: For taking and proving it.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    database: str
    restore_ms: int | None = None
    deadline_ms: int = 3_600_000
    kind: Literal["backup"] = "backup"

    def __post_init__(self) -> None:
        """Prove the name."""
        _check.name(self.database, "database")


@final
@dataclass(frozen=True, slots=True)
class Migrate:
    """Take a database's schema to a version.

    Args:
        id: Unique in the plan.
        target: For whose sake.
        database: Its name in ``Deployer(databases=...)``.
        to: The version to reach.
        since: The version when the plan was made: what going back means. Found out when the plan is completed.
        schema: The schema's hash then: by it, half a migration is told from none.
        phase: ``expand``: before the new revision starts. ``contract``: when nobody goes back any more. ``back``: the
            way back; it refuses to lose rows that nobody has agreed to lose.
        change: What kind of change it is, as declared; see `MigrationClass`.
        backup: Id of the `Backup` step that leads back; empty: none does.
        on_loss: See `OnLoss`. ``restore`` needs a backup, unless this is the way back itself.
        accept: The digest of the loss by the way back itself that is agreed to; empty: none.
        configuration: Hash of what configures the database's binding when the plan was made.
        deadline_ms: After it the migration is ended.

    Raises:
        InvalidInput: If a name or a choice is none.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    database: str
    to: str
    since: str = ""
    schema: str = ""
    phase: Literal["expand", "contract", "back"] = "expand"
    change: MigrationClass = "additive"
    backup: str = ""
    on_loss: OnLoss = "freeze"
    accept: str = ""
    configuration: str = ""
    deadline_ms: int = 900_000
    kind: Literal["migrate"] = "migrate"

    def __post_init__(self) -> None:
        """Prove names and choices."""
        _check.name(self.database, "database")
        if self.phase != "back" and (not isinstance(self.to, str) or not self.to.strip()):
            msg = (
                f"step {self.id!r}: the version to migrate to must be a text, such as '0042', not {self.to!r}"
            )
            raise InvalidInput(msg)
        for name, value, known in (
            ("phase", self.phase, ("expand", "contract", "back")),
            ("change", self.change, get_args(MigrationClass)),
            ("on_loss", self.on_loss, get_args(OnLoss)),
        ):
            if value not in known:
                msg = f"step {self.id!r}: {name} must be one of {list(known)!r}, not {value!r}"
                raise InvalidInput(msg)
        if self.on_loss == "restore" and self.phase == "expand" and not self.backup:
            msg = (
                f"step {self.id!r}: on_loss='restore' needs a backup to restore: put a Backup step before it"
            )
            raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True)
class Restore:
    """Put a backup, or a provider's snapshot, in the place of the database in use, which is kept under another name.

    Args:
        id: Unique in the plan.
        target: For whose sake.
        database: Its name in ``Deployer(databases=...)``.
        backup: Id of the `Backup` step that took it; empty: it is a snapshot.
        rollout: Id of the rollout whose step that was; empty: this one.
        snapshot: The provider's id of a snapshot, instead of a backup.
        to: The version of the schema that the snapshot must hold.
        accept: The digest of the loss that is agreed to; ``"any"``: whatever it is; empty: none.
        frozen: Whether the database was frozen already when the plan was made. Found out when the plan is completed.
        deadline_ms: For restoring, comparing and swapping.

    Raises:
        InvalidInput: If a name is none, or both a backup and a snapshot are named, or neither.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    database: str
    backup: str = ""
    rollout: str = ""
    snapshot: str = ""
    to: str = ""
    accept: str = ""
    frozen: bool = False
    deadline_ms: int = 3_600_000
    kind: Literal["restore"] = "restore"

    def __post_init__(self) -> None:
        """Prove the name, and that one thing is restored."""
        _check.name(self.database, "database")
        if bool(self.backup) == bool(self.snapshot):
            msg = f"step {self.id!r} restores a backup or a snapshot: name one of them, not {self.backup!r} and {self.snapshot!r}"
            raise InvalidInput(msg)

    @property
    def source(self) -> str:
        """What is restored, in a few words."""
        return f"snapshot {self.snapshot!r}" if self.snapshot else f"backup {self.backup!r}"


@final
@dataclass(frozen=True, slots=True)
class Freeze:
    """Let a database be read, and not written."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    database: str
    deadline_ms: int = 60_000
    kind: Literal["freeze"] = "freeze"

    def __post_init__(self) -> None:
        """Prove the name."""
        _check.name(self.database, "database")


@final
@dataclass(frozen=True, slots=True)
class Thaw:
    """Let a database be written again."""

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    database: str
    deadline_ms: int = 60_000
    kind: Literal["thaw"] = "thaw"

    def __post_init__(self) -> None:
        """Prove the name."""
        _check.name(self.database, "database")


DatabaseStep: TypeAlias = Backup | Migrate | Restore | Freeze | Thaw
"""A step on a database."""
