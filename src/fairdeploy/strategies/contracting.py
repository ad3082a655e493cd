"""Taking away what only older revisions need: the end of the rollback window."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Backup, Migrate, Plan, Promote, Retire, UndoPolicy
from fairdeploy.strategies._arguments import Duration, duration, ms
from fairdeploy.strategies._notes import releases
from fairdeploy.strategies._scene import base, drain

if TYPE_CHECKING:
    from fairdeploy.model import Deployment, Release, Step, Target

__all__ = ["CONTRACT", "contract_plan"]

CONTRACT = "Contract"
"""What plans are called that end the rollback window."""


def contract_plan(
    target: Target,
    deployment: Deployment,
    *,
    database: str,
    to: str,
    backup: bool = True,
    release: Release | None = None,
    deadline: Duration = timedelta(minutes=15),
    backup_deadline: Duration = timedelta(hours=1),
) -> Plan:
    """Return the plan that migrates a database to what only the stable revision can live with.

    After it nobody goes back to an older revision: it is promoted as the point of no return before anything is taken
    away. Older revisions that are still warm are stopped first, and the migration waits until none of their instances,
    and no connection that bears a revision's id as its ``application_name``, is left.

    Args:
        target: Where.
        deployment: What is there.
        database: The database's name in ``Deployer(databases=...)``.
        to: The version that takes away what older revisions need.
        backup: Whether a backup is taken and proved first.
        release: The stable release, so that the plan can be carried out by whoever reads it.
        deadline: Longest time for the migration, a ``timedelta`` or a number of seconds.
        backup_deadline: Longest time for the backup and its proof.

    Raises:
        InvalidInput: If nothing is deployed, traffic is not all on stable, or a value is out of range.
    """
    stable = deployment.stable
    if deployment.target != target.id or stable is None:
        msg = f"there is nothing to contract for in {target.id!r}: deploy a release first"
        raise InvalidInput(msg)
    others = [revision.id for revision in deployment.revisions if revision.id != stable]
    busy = [each for each in others if deployment.split is not None and deployment.split.share(each)]
    if busy:
        msg = f"{busy[0]!r} still has traffic in {target.id!r}: promote one revision before the database is contracted"
        raise InvalidInput(msg)
    steps: list[Step] = []
    if backup:
        until = ms(duration(backup_deadline, "backup_deadline", low=1_000))
        steps.append(Backup("backup", target=target.id, database=database, deadline_ms=until))
    steps.append(Promote("promote", targets=((target.id, stable),)))
    for each in others:
        steps.append(drain(target, f"drain-{each}", each))
        steps.append(Retire(f"retire-{each}", target=target.id, revision=each))
    steps.append(
        Migrate(
            "contract",
            target=target.id,
            database=database,
            to=to,
            phase="contract",
            change="destructive",
            backup="backup" if backup else "",
            deadline_ms=ms(duration(deadline, "deadline", low=1_000)),
        )
    )
    notes = (
        f"Database: {database} is migrated to {to}, which only {stable} needs to live with.",
        "Way back: none to older revisions from 'promote' on; a fix is a new release.",
    )
    return Plan(
        CONTRACT,
        bases=(base(target, deployment, None),),
        releases=releases(release),
        steps=tuple(steps),
        undo=UndoPolicy(),
        notes=notes,
    )
