"""What the answers of several checks mean together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairdeploy.model import CheckResult, Quorum, Verdict

if TYPE_CHECKING:
    from fairdeploy.model.canonical import JSON

__all__ = ["counted"]

_WORST_FIRST = (Verdict.ERROR, Verdict.NO_DATA, Verdict.INCONCLUSIVE)


def counted(check: Quorum, results: Sequence[CheckResult]) -> CheckResult:
    """Return ``pass`` or ``fail`` where no answer still to come could change that, and else why not.

    Args:
        check: How many of how many must pass.
        results: Of its checks, in their order.
    """
    passes = sum(result.verdict is Verdict.PASS for result in results)
    fails = sum(result.verdict is Verdict.FAIL for result in results)
    said = f"{passes} of {len(results)} pass, {check.need} must"
    if passes >= check.need:
        return CheckResult(Verdict.PASS, said)
    evidence: list[JSON] = [
        {"verdict": str(result.verdict), "message": result.message, "evidence": result.evidence}
        for result in results
        if not result.healthy
    ]
    if len(results) - fails < check.need:
        verdict = Verdict.FAIL
    else:
        verdict = next(each for each in _WORST_FIRST if any(result.verdict is each for result in results))
    why = next(result.message for result in results if result.verdict is verdict)
    return CheckResult(verdict, f"{said}: {why}", evidence=evidence)
