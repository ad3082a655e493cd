"""The end of a rollout as a table, for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.model._sheet import Mark, Row, Sheet
from fairdeploy.model.result import Outcome

if TYPE_CHECKING:
    from fairdeploy.model.result import RolloutResult

__all__ = ["html"]

_MARKS: dict[Outcome, Mark] = {Outcome.PROMOTED: "good", Outcome.NEEDS_ATTENTION: "bad"}


def html(result: RolloutResult) -> str:
    """Return the end for a notebook: escaped, and for every theme."""
    mark = _MARKS.get(result.outcome, "care")
    rows = [Row(mark=mark, word="serves", name=target, says=revision) for target, revision in result.serving]
    if result.policy:
        rows.append(Row(mark=mark, word="promoted", name="policy", says=result.policy))
    rows += [Row(mark="open", word="seen", name="", says=line) for line in result.evidence]
    words = result.outcome.replace("_", " ")
    return Sheet(
        title=f"{words} after {result.seconds:.1f} s: {result.reason}",
        rows=tuple(rows),
        foot=f"rollout {result.rollout}",
    ).html()
