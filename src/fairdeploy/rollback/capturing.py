"""Writing down what a target is like, beside its rollouts, to be compared later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fairdeploy.engine.holder import who
from fairdeploy.engine.holds import holds_of
from fairdeploy.engine.planning import observed, releases_of
from fairdeploy.model import DeploymentState, Noted, RevisionState
from fairdeploy.rollback.managed import state_of

if TYPE_CHECKING:
    from fairdeploy.model import RolloutId, Target
    from fairdeploy.protocols import Backend, Clock, Database

__all__ = ["captured", "kept", "looked_at"]


async def looked_at(
    place: Backend, target: Target, databases: Mapping[str, Database], clock: Clock
) -> DeploymentState:
    """Return what a target and its databases are like now.

    Raises:
        BackendError: If the target cannot be observed.
        JournalError: If the journal cannot be read.
    """
    now = await observed(place, target)
    releases = releases_of(await place.journal.rollouts(target.id))
    return DeploymentState(
        target.id,
        at_ms=round(clock.wall() * 1000),
        stable=now.stable,
        split=now.split,
        revisions=tuple(
            RevisionState(
                each.id,
                version=releases[each.id].version if each.id in releases else "",
                wanted=each.replicas,
                ready=len(each.ready),
            )
            for each in now.revisions
        ),
        databases=tuple([await state_of(name, each) for name, each in databases.items()]),
        held=bool(await holds_of(place.journal, target.id)),
    )


async def captured(place: Backend, rollout: RolloutId, state: DeploymentState, label: str) -> None:
    """Keep a state with a rollout, durably.

    Raises:
        JournalError: If it cannot be written.
    """
    await place.journal.send(rollout, Noted(topic="state", message=label, by=who(), state=state))


async def kept(place: Backend, target: Target) -> tuple[DeploymentState, ...]:
    """Return every state that was kept of a target, oldest first.

    Raises:
        JournalError: If the journal cannot be read.
    """
    found: list[DeploymentState] = []
    for info in await place.journal.rollouts(target.id):
        for event in await place.journal.read(info.id):
            record = event.record
            if isinstance(record, Noted) and record.state is not None and record.state.target == target.id:
                found.append(record.state)
    return tuple(sorted(found, key=lambda state: state.at_ms))
