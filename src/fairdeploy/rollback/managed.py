"""What a manager knows of databases that go back together with what uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, final, get_args

from fairdeploy.errors import FairdeployError, InvalidInput, Refused
from fairdeploy.model import DatabaseState

if TYPE_CHECKING:
    from fairdeploy.protocols import Database
    from fairdeploy.rollback.ladder import Way

__all__ = ["ManagedDatabase", "OnAhead", "refuse_ahead", "state_of"]

OnAhead: TypeAlias = Literal["refuse", "keep", "freeze", "back"]
"""What follows where a database is newer than the release to go back to. ``refuse``: say so, and change nothing.
``keep``: leave the database as it is. ``freeze``: the application goes back, and the database can be read, not written,
until a person has decided. ``back``: it goes back too, by the lowest rung that is enough, once the application has."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedDatabase:
    """What no journal tells of a database that a deployer has: which release works with which schema.

    Args:
        serves: The schema versions that each release works with, by the release's version, the preferred one last.
            Of a release that is not named, what the deployments since have declared of their migrations is taken.
        contracts: Schema versions that took something away which earlier releases need: from there on they cannot
            go back to any that does not name the version in ``serves``.

    Raises:
        InvalidInput: If a value is none that it can be.
    """

    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contracts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Prove what is said of versions."""
        for release, versions in self.serves.items():
            if isinstance(versions, str) or not versions:
                msg = f"serves[{release!r}] must be the schema versions, such as ('0041', '0042'), not {versions!r}"
                raise InvalidInput(msg)


async def state_of(name: str, database: Database) -> DatabaseState:
    """Return what a database is like now; what cannot be read is said, not raised."""
    try:
        seen = await database.observe()
    except FairdeployError as error:
        return DatabaseState(name, trouble=str(error))
    return DatabaseState(name, version=seen.version, schema=seen.schema)


def refuse_ahead(ways: Sequence[Way], release: str, on_ahead: OnAhead) -> tuple[Way, ...]:
    """Return the databases that are newer than the code, if somebody said what follows.

    Raises:
        Refused: If nobody did, or there is no way back that was asked for. Nothing has changed.
        InvalidInput: If there is no such answer.
    """
    if on_ahead not in get_args(OnAhead):
        msg = f"database must be one of {list(get_args(OnAhead))!r}, not {on_ahead!r}"
        raise InvalidInput(msg)
    ahead = tuple(way for way in ways if way.ahead)
    if ahead and on_ahead == "refuse":
        which = ", ".join(f"{a.database!r} at {a.version!r} (it needs {a.to!r})" for a in ahead)
        msg = (
            f"the database is newer than release {release!r}: {which}; nothing has changed. database='keep' leaves it, "
            f"'freeze' lets it be read only until you have decided, 'back' takes it back: {'; '.join(map(str, ahead))}"
        )
        raise Refused(msg)
    if on_ahead == "back" and (lost := [way for way in ahead if way.rung == "none"]):
        msg = f"{'; '.join(map(str, lost))}. Nothing has changed: database='freeze' takes the application back alone"
        raise Refused(msg)
    return ahead
