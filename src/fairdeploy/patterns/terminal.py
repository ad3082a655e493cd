"""The decision matrix as rich draws it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fairdeploy.patterns.matrix import matrix

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["table"]


def table(advice: Recommendation) -> RenderableType:
    """Return the paragraph for a board, and the matrix below it."""
    shown = matrix(advice)
    drawn = Table(title=shown.title, caption=shown.footnote, show_lines=True)
    drawn.add_column("Pattern", overflow="fold")
    drawn.add_column("Verdict")
    drawn.add_column("Total", justify="right")
    for criterion in shown.criteria:
        drawn.add_column(criterion, justify="right")
    for row in shown.rows:
        total = "–" if row.total is None else f"{row.total:.0f}"
        style = "bold" if row.first else "dim" if row.total is None else ""
        name = f"{row.name} ←" if row.first else row.name
        # As `Text`, so that brackets in a name are no markup.
        drawn.add_row(*map(Text, (name, row.verdict, total, *row.points)), style=style)
    return Group(Text(advice.summary()), Text(), drawn)
