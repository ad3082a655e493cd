"""What a plan has to know of its databases before it is run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.engine.database_steps import configured, otherwise, unbound
from fairdeploy.errors import Refused, StalePlan, Unbound
from fairdeploy.model import Backup, DatabaseStep, Migrate, Plan, Promote, Restore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import DatabaseSeen, Step
    from fairdeploy.protocols import Database

__all__ = ["refuse_stale_databases", "refuse_unbound_databases", "with_databases"]


async def with_databases(plan: Plan, databases: Mapping[str, Database]) -> Plan:
    """Return the plan with what its databases are now: where they go back to, and how long restoring takes.

    Raises:
        Unbound: If one is not given.
        Refused: If one is frozen, or its contract is done already.
        DatabaseError: If one cannot be looked at.
    """
    refuse_unbound_databases(plan, databases)
    # To be frozen, or written again, a database need not answer now.
    names = dict.fromkeys(s.database for s in plan.steps if isinstance(s, Backup | Migrate | Restore))
    if not names:
        return plan
    states = {name: await databases[name].observe() for name in names}
    steps = tuple(_known(step, states, databases) for step in plan.steps)
    return replace(plan, steps=steps)


def _known(step: Step, states: Mapping[str, DatabaseSeen], databases: Mapping[str, Database]) -> Step:
    match step:
        case Backup():
            return replace(step, restore_ms=states[step.database].restore_ms)
        case Restore():
            return replace(step, frozen=states[step.database].frozen)
        case Migrate():
            state = states[step.database]
            if state.frozen:
                msg = f"database {step.database!r} is frozen: it can be read, not written; see why, and thaw it before it is migrated"
                raise Refused(msg)
            if step.phase == "contract" and state.version == step.to:
                msg = f"database {step.database!r} is at {step.to!r} already: there is nothing to contract"
                raise Refused(msg)
            return replace(
                step,
                since=state.version,
                schema=state.schema,
                configuration=configured(databases[step.database]),
            )
        case _:
            return step


def refuse_unbound_databases(
    plan: Plan, databases: Mapping[str, Database], *, promoting: bool = True
) -> None:
    """Refuse to go forward without the databases that the plan names.

    Args:
        plan: The plan.
        databases: What is given.
        promoting: Whether what follows the promotion counts too. Without it, the application gets where it was to get,
            and what is missing is told a person in the end.

    Raises:
        Unbound: If one is missing, or is configured otherwise than when the plan was made.
    """
    for step in plan.steps:
        if isinstance(step, Promote) and not promoting:
            return
        if not isinstance(step, DatabaseStep):
            continue
        if step.database not in databases:
            raise Unbound(unbound(step.database))
        if isinstance(step, Migrate) and step.configuration not in {"", configured(databases[step.database])}:
            raise Unbound(f"{otherwise(step.database)}, or plan again")


async def refuse_stale_databases(plan: Plan, databases: Mapping[str, Database]) -> None:
    """Refuse a plan whose databases have moved since it was made.

    Raises:
        StalePlan: If one has.
        DatabaseError: If one cannot be looked at.
    """
    known: dict[str, DatabaseSeen] = {}
    for step in plan.steps:
        if not isinstance(step, Migrate):
            continue
        if step.database not in known:
            known[step.database] = await databases[step.database].observe()
        now = known[step.database]
        if now.version != step.since or now.frozen:
            frozen = " and frozen" if now.frozen else ""
            msg = (
                f"the plan is stale: database {step.database!r} was at {step.since!r} and is at {now.version!r}{frozen}; "
                "plan again"
            )
            raise StalePlan(msg)
