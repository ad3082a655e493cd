"""The decision matrix as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.patterns._extra import needed
from fairdeploy.patterns.explanation import said

if TYPE_CHECKING:
    import pandas as pd

    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["frame"]


def frame(advice: Recommendation) -> pd.DataFrame:
    """Return one row a pattern: verdict, total, the points of each criterion, conditions and what excludes it.

    Raises:
        MissingDependency: Without the extra ``notebook``.
    """
    pandas = needed("pandas", "notebook")
    rows = [
        {
            "pattern": each.key,
            "name": each.pattern.name,
            "verdict": said(each),
            "total": each.percent,
            **{score.criterion: score.points for score in each.scores if score.asked},
            "conditions": "; ".join(each.conditions),
            "excluded_by": ", ".join(gate.gate for gate in each.excluded_by),
        }
        for each in advice.assessments
    ]
    made: pd.DataFrame = pandas.DataFrame(rows).set_index("pattern")
    return made
