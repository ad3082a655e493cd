"""Asking a check that is not about counters, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.errors import FairdeployError, Unbound
from fairdeploy.health import run_check
from fairdeploy.model import BoundCheck, Check, CheckResult, Verdict
from fairdeploy.model.check import is_asked
from fairdeploy.protocols import Subject

if TYPE_CHECKING:
    from fairdeploy.engine.run import Run
    from fairdeploy.model import Base, RevisionId

__all__ = ["ask", "fault"]


def fault(error: Exception) -> CheckResult:
    """Return what a check that raised has found: nothing, so neither a pass nor a fail."""
    kind = "" if isinstance(error, FairdeployError) else f"{type(error).__name__}: "
    return CheckResult(Verdict.ERROR, f"{kind}{error}")


async def ask(run: Run, check: Check, base: Base, revision: RevisionId) -> CheckResult:
    """Ask a check that is not about counters, once.

    Raises:
        Unbound: If it is a callable that this process was not given.
        BackendError: If the revision's instances cannot be observed.
    """
    if check.scope == "shared":
        subject = Subject(target=base.target)
    else:
        seen = await run.look(base)
        subject = Subject(target=base.target, revision=revision, instances=seen.answering(revision))
        if not subject.instances:
            return CheckResult(Verdict.FAIL, f"revision {revision!r} has no instance to ask")
    if isinstance(check, BoundCheck):
        bound = run.checks.get(check.name)
        if bound is None:
            msg = f"check {check.name!r} is not given to this Deployer: pass checks={{{check.name!r}: ...}}"
            raise Unbound(msg)
        return await bound(subject)
    if not is_asked(check):
        msg = f"{check.kind!r} is judged from counters, not asked"
        raise TypeError(msg)
    return await run_check(check, subject, bound=run.checks)
