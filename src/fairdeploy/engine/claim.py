"""Telling backend and router who acts now, before anything is decided from what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.decide import Forget, Quiesce, Route
from fairdeploy.errors import FairdeployError, Fenced
from fairdeploy.model import Retried

if TYPE_CHECKING:
    from fairdeploy.engine.run import Run

__all__ = ["claim"]

_CLAIM = "claim"


async def claim(run: Run) -> None:
    """Make the epoch known wherever the rollout has acted, by effects that change nothing.

    The holder before may be stopped in the middle of a call, and wake when all is over. Where
    nothing is left to undo, no effect of ours would have told anybody to refuse it.

    Raises:
        Fenced: If somebody has taken over.
        FairdeployError: If it could not be told for now.
    """
    for base in run.history.plan.bases:
        if base.target.id not in run.history.touched:
            continue
        try:
            await run.apply(Quiesce(frozenset()), base, step=_CLAIM)
            router = run.backend(base).router
            if router is not None and base.target.endpoint is not None:
                written = (await router.observe(base.target)).written
                # Where nothing is routed yet, there is nothing to forget, but whoever is late is refused.
                await run.apply(Forget() if written is None else Route(written), base, step=_CLAIM)
        except Fenced:
            raise
        except FairdeployError as error:
            if error.retryable:
                raise
            # What is refused for good must not keep the traffic from going back.
            await run.record(Retried(step=_CLAIM, error=f"{type(error).__name__}: {error}"))
