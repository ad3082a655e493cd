"""The last word of a rollout: how it ended, on what grounds, and what serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.history import History
from fairdeploy.engine.run import Run
from fairdeploy.model import Base, Ended, Outcome, RevisionId, RolloutResult, TargetId, Verdict
from fairdeploy.model.check import is_comparison

if TYPE_CHECKING:
    from fairdeploy.model import Plan
    from fairdeploy.protocols import Journal

__all__ = ["ended", "failure", "policy", "share_percent"]


async def ended(run: Run, outcome: Outcome, *, reason: str = "", evidence: tuple[str, ...] = ()) -> None:
    """Record the end and give the lease back.

    Raises:
        Fenced: If somebody has taken over.
        JournalError: If it cannot be written.
    """
    promoted = outcome is Outcome.PROMOTED
    undoing = run.history.undoing
    result = RolloutResult(
        run.id,
        outcome=outcome,
        reason=reason or ("every step was observed" if promoted else ""),
        evidence=evidence,
        policy=policy(run.history) if promoted else "",
        step=undoing.step if undoing else run.control.step,
        serving=await _serving(run),
        started_ms=run.history.began_ms,
        ended_ms=run.wall_ms(),
    )
    await run.record(Ended(result=result), end=True)


def policy(history: History) -> str:
    """Return what promoted: ``pass``, or the guards that had not decided and what the plan said of that.

    The plan's policy is named where it was about a comparison.
    """
    undecided, named = [], False
    for guard in history.plan.guards:
        judged = history.verdicts.get(guard.id)
        if judged is None or judged.verdict is not Verdict.PASS:
            verdict = judged.verdict if judged else Verdict.NO_DATA
            action = judged.action if judged else guard.on[verdict]
            compared = is_comparison(guard.check) and guard.scope == "revision"
            named = named or compared
            said = f" ({judged.message})" if judged and compared else ""
            undecided.append(f"{guard.id} was {verdict}{said}: {action}")
    if undecided:
        return f"by {history.plan.undecided.name if named else 'plan'}: " + "; ".join(undecided)
    return "pass" if history.plan.guards else "by plan: no guards"


def share_percent(history: History, base: Base) -> float:
    """Return the candidate's share, in percent, by the last `Shift` that the plan intended."""
    percent = 0.0
    for step_id in history.intended:
        step = history.plan.step(step_id)
        if step.kind == "shift" and step.target == base.target.id and base.candidate is not None:
            percent = step.split.percent(base.candidate) if step.split else 0.0
    return percent


async def failure(journal: Journal, plan: Plan, result: RolloutResult) -> str:
    """Say at which share of the traffic a rollout failed, and how it ended.

    Raises:
        JournalError: If the journal cannot be read.
    """
    share = share_percent(History.of(plan, await journal.read(result.rollout)), plan.bases[0])
    where = f"at {share:g}%" if share else "before it got traffic"
    if any(step.kind == "delegate" for step in plan.steps):
        where = "in the hands of the platform"
    return f"{plan.strategy} failed {where}: {result}"


async def _serving(run: Run) -> tuple[tuple[TargetId, RevisionId], ...]:
    serving: list[tuple[TargetId, RevisionId]] = []
    for base in run.history.plan.bases:
        try:
            seen = await run.look(base)
        except Exception:  # noqa: BLE001, S112 - what serves is told as far as it can be seen, and the end must not wait for it
            continue
        shares = seen.deployment.split.shares if seen.deployment.split else {}
        first = max(shares, key=lambda revision: shares[revision], default=None)
        if first is None and seen.traffic is None:
            first = seen.deployment.stable
        if first is not None:
            serving.append((base.target.id, first))
    return tuple(serving)
