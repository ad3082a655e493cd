"""What is looked at before a plan is run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fairdeploy.errors import ValidationError
from fairdeploy.model import (
    CommandCheck,
    Delegate,
    Drain,
    HTTPCheck,
    Migrate,
    Retire,
    RunJob,
    Scale,
    Start,
    TCPCheck,
)
from fairdeploy.preflight import reachable, validated
from fairdeploy.protocols import Scene, Validated

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.model import Base, Plan

__all__ = ["refuse_invalid", "rehearsable"]

_LOG = logging.getLogger("fairdeploy")


async def refuse_invalid(desk: Desk, plan: Plan) -> None:
    """Look at every release that a plan brings somewhere new; warnings are logged.

    A lease that somebody holds is not looked at: whether to wait for it is said when the lease is taken. Shared
    checks of the deployer are asked, as what they ask must be there for the new revision too.

    Raises:
        ValidationError: If something critical was found; nothing has changed.
    """
    shared = [
        reachable(name, check)
        for name, check in desk.checks.items()
        if isinstance(check, (HTTPCheck, TCPCheck, CommandCheck)) and check.scope == "shared"
    ]
    for base in plan.bases:
        if base.candidate is None or base.candidate == base.stable or base.candidate not in plan.releases:
            continue
        backend = desk.backend(base.backend)
        scene = Scene(
            backend=backend,
            target=base.target,
            release=plan.releases[base.candidate],
            rehearse=rehearsable(plan, base),
        )
        if isinstance(backend, Validated):
            result = await validated(scene, shared, without={"lease"})
        else:  # a simulated one, say: what the release says of itself, and nothing that takes time
            result = await validated(scene, without={"lease", "weights"})
        if result.refused:
            raise ValidationError(f"{result.message} ({_remedy(result.failures[0].remedy)})", result)
        for finding in result.failures:
            _LOG.warning("%s: %s", base.target.id, finding)


def _remedy(text: str) -> str:
    return f"{text}; Deployer(validate=False) deploys all the same"


def rehearsable(plan: Plan, base: Base) -> bool:
    """Whether the candidate may be tried beside what is there, as the plan itself does not do anything before.

    Where something is stopped first, old and new must not run together; where a job or a migration comes first, the
    candidate may not start without it.
    """
    for step in plan.steps:
        if isinstance(step, Start) and step.target == base.target.id and step.revision == base.candidate:
            return True
        if (
            isinstance(step, (Delegate, Drain, Migrate, Retire, RunJob, Scale))
            and step.target == base.target.id
        ):
            return False
    return False
