"""What a deployment was like at one moment, to be compared with another."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import final

from fairdeploy.model._tagged import STRICT
from fairdeploy.model.release import RevisionId
from fairdeploy.model.split import Split
from fairdeploy.model.target import TargetId

__all__ = ["DatabaseState", "DeploymentState", "RevisionState"]


@final
@dataclass(frozen=True, slots=True)
class RevisionState:
    """One revision then.

    Args:
        id: The revision.
        version: Of its release; empty if the journal does not know it.
        wanted: Instances wanted.
        ready: Instances that could be given work.
    """

    __pydantic_config__ = STRICT

    id: RevisionId
    _: KW_ONLY
    version: str = ""
    wanted: int = 0
    ready: int = 0


@final
@dataclass(frozen=True, slots=True)
class DatabaseState:
    """One database then.

    Args:
        name: As the manager knows it.
        version: Of its schema, by the migration tool; empty without one.
        schema: SHA-256 of the schema's description.
        trouble: Why the rest could not be read; empty if it was.
    """

    __pydantic_config__ = STRICT

    name: str
    _: KW_ONLY
    version: str = ""
    schema: str = ""
    trouble: str = ""


@final
@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What a target and its databases were like. Names, numbers and hashes only: no address, setting or secret.

    Args:
        target: Which target.
        at_ms: When, milliseconds since 1970.
        stable: The revision last promoted.
        split: The traffic, as the router had it.
        revisions: What was there.
        databases: The manager's databases.
        held: Whether the target was on hold.
    """

    __pydantic_config__ = STRICT

    target: TargetId
    _: KW_ONLY
    at_ms: int
    stable: RevisionId | None = None
    split: Split | None = None
    revisions: tuple[RevisionState, ...] = ()
    databases: tuple[DatabaseState, ...] = ()
    held: bool = False

    def lines(self) -> tuple[str, ...]:
        """Return it line by line, without its time."""
        lines = [f"target {self.target}: stable {self.stable or 'none'}, traffic {self.split or 'none'}"]
        if self.held:
            lines.append("on hold")
        lines += [f"revision {r.id} ({r.version or '?'}): {r.ready}/{r.wanted} ready" for r in self.revisions]
        for each in self.databases:
            known = each.trouble or f"version {each.version or 'none'}, schema {each.schema[:12]}"
            lines.append(f"database {each.name}: {known}")
        return tuple(lines)

    def diff(self, other: DeploymentState) -> str:
        """Return what is different in another state as a unified diff; empty if nothing is but the time."""
        import difflib  # noqa: PLC0415 - text is built on demand

        mine, others = f"{self.target} {self._when}", f"{other.target} {other._when}"
        return "\n".join(difflib.unified_diff(self.lines(), other.lines(), mine, others, lineterm=""))

    @property
    def _when(self) -> str:
        return f"{datetime.fromtimestamp(self.at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"

    def __str__(self) -> str:
        """Return it as people read it."""
        return "\n".join((f"state at {self._when}", *(f"  {line}" for line in self.lines())))
