"""A plan: what will be done, as data, complete in itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.canonical import digest
from fairdeploy.model.database_step import Backup, Migrate, Restore
from fairdeploy.model.guard import Guard
from fairdeploy.model.release import Release, RevisionId
from fairdeploy.model.split import Split
from fairdeploy.model.step import Promote, Step
from fairdeploy.model.target import Target, TargetId
from fairdeploy.model.undecided import Undecided

__all__ = ["SCHEMA", "Base", "Plan", "UndoPolicy"]

SCHEMA = 3
"""Version of the plan's record. A newer one is refused by older programs. 2: steps on databases; 3: `Delegate`."""


@final
@dataclass(frozen=True, slots=True)
class Base:
    """What a plan was made for, and what going back means.

    Args:
        target: The target, with its settings.
        backend: Name of the backend in the `Deployer`, for plans over several.
        stable: The revision to go back to; ``None`` before a first deploy.
        candidate: The revision that the plan brings, or ``None`` (scaling, say).
        split: Traffic then.
        replicas: Replicas of stable then.
        revisions: Revisions that were there: going back never removes them.
        exclusive: Old and new must not run together here; see `UndoPolicy`, which means every target.
        fingerprint: `Deployment.fingerprint` then; another one makes the plan stale.
    """

    __pydantic_config__ = STRICT

    target: Target
    _: KW_ONLY
    backend: str = "default"
    stable: RevisionId | None = None
    candidate: RevisionId | None = None
    split: Split | None = None
    replicas: int = 0
    revisions: tuple[RevisionId, ...] = ()
    exclusive: bool = False
    fingerprint: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPolicy:
    """How the way back is gone.

    Args:
        deadline_ms: Time for the whole way back; after it the rollout needs attention.
        on_crash: ``undo`` goes back if the deploying program died before the promotion;
            ``resume`` goes on where it was.
        exclusive: Old and new must not run together at any target (a volume lock, a singleton): stop
            the candidate before stable is started again.
    """

    __pydantic_config__ = STRICT

    deadline_ms: int = 180_000
    on_crash: Literal["undo", "resume"] = "undo"
    exclusive: bool = False

    def __post_init__(self) -> None:
        """Prove the deadline."""
        _check.whole(self.deadline_ms, "undo deadline_ms", low=1_000)


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done. Printed, diffed, hashed, approved and journaled; needs nothing else to be carried out.

    Args:
        strategy: What made it, for people.
        bases: One per target.
        releases: Every release that a step or the way back may have to start.
        steps: In order.
        guards: What watches.
        undo: How to go back.
        notes: What a reader should know: capacity at the peak, risks, how it goes back.
        undecided: What follows where a comparison has not decided when the whole bake is over.
        hold: Why its targets are on hold from its beginning, in the same record; empty: they are not.
        schema: Version of this record.

    Raises:
        InvalidInput: If ids repeat, a step names what the plan does not hold, or there is
            more than one point of no return.
    """

    __pydantic_config__ = STRICT

    strategy: str
    _: KW_ONLY
    bases: tuple[Base, ...]
    releases: Mapping[RevisionId, Release] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    guards: tuple[Guard, ...] = ()
    undo: UndoPolicy = field(default_factory=UndoPolicy)
    notes: tuple[str, ...] = ()
    undecided: Undecided = field(default_factory=Undecided)
    hold: str = ""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Prove that the plan hangs together."""
        object.__setattr__(self, "releases", _check.frozen_mapping(self.releases))
        if not self.bases:
            msg = "a plan needs at least one base"
            raise InvalidInput(msg)
        ids = Counter([step.id for step in self.steps] + [guard.id for guard in self.guards])
        repeated = [key for key, count in ids.items() if count > 1]
        if repeated:
            msg = f"ids must be unique in a plan; repeated: {repeated!r}"
            raise InvalidInput(msg)
        if sum(isinstance(step, Promote) for step in self.steps) > 1:
            msg = "a plan has one point of no return: promote all targets in one step"
            raise InvalidInput(msg)
        self._check_names()

    def _check_names(self) -> None:
        targets = [base.target.id for base in self.bases]
        if len(set(targets)) != len(targets):
            msg = f"a plan has one base per target; repeated in {targets!r}"
            raise InvalidInput(msg)
        steps = {step.id for step in self.steps}
        for named in (*self.named_targets(), *(guard.target for guard in self.guards)):
            if named not in targets:
                msg = f"a step names target {named!r}, which has no base; known are {targets!r}"
                raise InvalidInput(msg)
        for guard in self.guards:
            for end in (guard.since, guard.until):
                if end not in steps:
                    msg = f"guard {guard.id!r} names step {end!r}, which the plan does not hold"
                    raise InvalidInput(msg)
        self._check_backups()

    def _check_backups(self) -> None:
        taken: dict[str, str] = {}
        for step in self.steps:
            if isinstance(step, Backup):
                taken[step.id] = step.database
            elif isinstance(step, Restore) and (step.rollout or step.snapshot):
                continue
            elif isinstance(step, (Migrate, Restore)) and step.backup not in {"", *taken}:
                msg = f"step {step.id!r} relies on backup {step.backup!r}, which no step before it takes"
                raise InvalidInput(msg)
            elif (
                isinstance(step, (Migrate, Restore))
                and taken.get(step.backup, step.database) != step.database
            ):
                msg = f"step {step.id!r} relies on backup {step.backup!r}, which is of database {taken[step.backup]!r}"
                raise InvalidInput(msg)

    def named_targets(self) -> Iterator[TargetId]:
        """Yield every target that a step names."""
        for step in self.steps:
            if isinstance(step, Promote):
                yield from (target for target, _ in step.targets)
            else:
                yield step.target

    @property
    def hash(self) -> str:
        """SHA-256 of the plan's canonical record: what an approval approves."""
        return digest(self)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steps)

    def base(self, target: TargetId) -> Base:
        """Return the base of a target.

        Raises:
            InvalidInput: If the plan has none for it.
        """
        for base in self.bases:
            if base.target.id == target:
                return base
        msg = f"the plan has no base for {target!r}; known are {[b.target.id for b in self.bases]!r}"
        raise InvalidInput(msg)

    def step(self, step_id: str) -> Step:
        """Return a step by its id.

        Raises:
            InvalidInput: If the plan does not hold it.
        """
        for step in self.steps:
            if step.id == step_id:
                return step
        msg = f"the plan holds no step {step_id!r}"
        raise InvalidInput(msg)

    def exclusive(self, target: TargetId) -> bool:
        """Whether old and new must not run together at a target."""
        return self.undo.exclusive or self.base(target).exclusive

    @property
    def point_of_no_return(self) -> Promote | None:
        """The promotion, or ``None`` in a plan that changes no stable mark."""
        return next((step for step in self.steps if isinstance(step, Promote)), None)

    def diff(self, other: Plan) -> str:
        """Return a unified diff of the two plans' texts, empty if they are equal."""
        from fairdeploy.model.plan_text import diff  # noqa: PLC0415 - text is built on demand

        return diff(self, other)

    def __str__(self) -> str:
        """Return the plan as people read it."""
        from fairdeploy.model.plan_text import text  # noqa: PLC0415 - text is built on demand

        return text(self)

    def __rich__(self) -> object:
        """Return the plan for rich's console."""
        from fairdeploy.model.plan_text import rich_table  # noqa: PLC0415 - text is built on demand

        return rich_table(self)

    def _repr_html_(self) -> str:
        from fairdeploy.model.plan_text import html  # noqa: PLC0415 - text is built on demand

        return html(self)
