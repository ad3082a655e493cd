"""The decision matrix as pictures. Blue and orange, with words and numbers beside the colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns._extra import needed
from fairdeploy.patterns.explanation import said
from fairdeploy.patterns.sensitivity import sensitivity, share

if TYPE_CHECKING:
    import matplotlib.axes

    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["plot"]

_COLOURS = ("#0072B2", "#E69F00", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#F0E442", "#000000")
_MARKERS = "osD^vP*X"


def plot(advice: Recommendation, kind: str, axes: matplotlib.axes.Axes | None) -> matplotlib.axes.Axes:
    """Draw a recommendation on axes; on new ones if none are given.

    Raises:
        InvalidInput: If there is no such kind.
        MissingDependency: Without the extra ``notebook``.
    """
    if kind not in _KINDS:
        raise InvalidInput(f"plot cannot draw {kind!r}: choose one of {', '.join(map(repr, _KINDS))}")
    if axes is None:
        pyplot = needed("matplotlib.pyplot", "notebook")
        # Room for names at the left and criteria below, whatever is drawn.
        axes = cast(
            "matplotlib.axes.Axes", pyplot.figure(figsize=(9, 4.8), layout="constrained").add_subplot()
        )
    _KINDS[kind](advice, axes)
    return axes


def _matrix(advice: Recommendation, axes: matplotlib.axes.Axes) -> None:
    """Draw a heat map of grades, with the points in each cell."""
    asked = [index for index, score in enumerate(advice.assessments[0].scores) if score.asked]
    grades = [[each.scores[index].grade for index in asked] for each in advice.assessments]
    axes.imshow(grades, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for row, each in enumerate(advice.assessments):
        for column, index in enumerate(asked):
            score = each.scores[index]
            colour = "white" if score.grade > 0.75 else "black"
            axes.text(column, row, f"{score.points:.1f}", ha="center", va="center", color=colour)
    scores = advice.assessments[0].scores
    axes.set_xticks(
        range(len(asked)), [f"{_wrapped(scores[i].title)}\nof {scores[i].weight:g}" for i in asked]
    )
    totals = [f"{each.percent:.0f}" if each.eligible else "–" for each in advice.assessments]
    names = [
        f"{each.key}\n{said(each).removesuffix(' if')}{' (if)' if each.conditions and each.eligible else ''}, {total}"
        for each, total in zip(advice.assessments, totals, strict=True)
    ]
    axes.set_yticks(range(len(names)), names)
    axes.set_title("Points by criterion; total of 100 beside the name")


def _wrapped(title: str) -> str:
    return title.replace(" and ", "\nand ").replace(" of what", "\nof what")


def _acceptability(advice: Recommendation, axes: matplotlib.axes.Axes) -> None:
    """Draw, a pattern, in which share of weightings it gets which rank."""
    found = sensitivity(advice).acceptability
    ranked = sorted(found, key=lambda key: (found[key][0], key))
    left = [0.0] * len(ranked)
    for rank in range(len(ranked)):
        values = [100 * found[key][rank] for key in ranked]
        shade = 1 - 0.8 * rank / max(1, len(ranked) - 1)
        axes.barh(
            ranked,
            values,
            left=left,
            color=_COLOURS[0],
            alpha=shade,
            edgecolor="white",
            label=f"rank {rank + 1}",
        )
        left = [start + value for start, value in zip(left, values, strict=True)]
    for row, key in enumerate(ranked):
        axes.text(102, row, f"wins in {share(found[key][0])}", va="center")
    axes.set_xlim(0, 135)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("percent of all weightings")
    axes.set_title("Which rank, whatever the weights")
    if ranked:
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=len(ranked), frameon=False)


def _parallel(advice: Recommendation, axes: matplotlib.axes.Axes) -> None:
    """Draw a line of grades a pattern that can be chosen."""
    asked = [index for index, score in enumerate(advice.assessments[0].scores) if score.asked]
    for row, each in enumerate(advice.eligible):
        # A little apart, so that lines that coincide are all seen.
        offset = 0.012 * (row - len(advice.eligible) / 2)
        axes.plot(
            range(len(asked)),
            [each.scores[index].grade + offset for index in asked],
            label=f"{each.key} ({each.percent:.0f})",
            color=_COLOURS[row % len(_COLOURS)],
            marker=_MARKERS[row % len(_MARKERS)],
            linewidth=3 if row == 0 else 1.5,
        )
    axes.set_xticks(
        range(len(asked)), [_wrapped(advice.assessments[0].scores[index].title) for index in asked]
    )
    axes.set_ylim(-0.08, 1.08)
    axes.set_ylabel("grade, 1 is best")
    axes.set_title("Grades of the patterns that can be chosen")
    if advice.eligible:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


_KINDS: dict[str, Callable[[Recommendation, matplotlib.axes.Axes], None]] = {
    "matrix": _matrix,
    "acceptability": _acceptability,
    "parallel": _parallel,
}
