"""The answer, with its reasons."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns.assessment import Assessment, undominated
from fairdeploy.patterns.criterion import Criterion
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.requirements import InstitutionRequirements

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas as pd
    from rich.console import RenderableType

    from fairdeploy.patterns.action import Action
    from fairdeploy.patterns.changes import Change
    from fairdeploy.patterns.sensitivity import Sensitivity

__all__ = ["Recommendation"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The patterns, judged for one institution.

    Args:
        requirements: What it asked for.
        assessments: What was found, the best first, those that are excluded last.
        weights: How much each criterion counted.
        criteria: The criteria.
        catalogue: Version of the catalogue and rules.
        date: The day on which the catalogue's facts were written down.
    """

    requirements: InstitutionRequirements
    assessments: tuple[Assessment, ...]
    weights: Mapping[str, float]
    criteria: tuple[Criterion, ...]
    catalogue: str
    date: dt.date
    _eligible: tuple[Assessment, ...] = field(init=False, repr=False, compare=False)
    _winners: tuple[Assessment, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every rendering asks for."""
        eligible = tuple([each for each in self.assessments if each.eligible])
        object.__setattr__(self, "_eligible", eligible)
        first = [each for each in eligible if each.percent == eligible[0].percent]
        object.__setattr__(self, "_winners", undominated(first))

    @property
    def eligible(self) -> tuple[Assessment, ...]:
        """Those that can be chosen, with conditions or without, the best first."""
        return self._eligible

    @property
    def excluded(self) -> tuple[Assessment, ...]:
        """Those that cannot."""
        return tuple(each for each in self.assessments if not each.eligible)

    @property
    def winners(self) -> tuple[Assessment, ...]:
        """All that have the most points; one that another of them dominates is left out. Empty if all are excluded."""
        return self._winners

    @property
    def best(self) -> Assessment | None:
        """The winner; of several, the first by the documented order of ties. None if all are excluded."""
        return next(iter(self.winners), None)

    @property
    def margin(self) -> float | None:
        """How many points the winner is ahead of the next, in percent of what can be had; None without two."""
        ranked = self.eligible
        return ranked[0].percent - ranked[1].percent if len(ranked) > 1 else None

    @property
    def patterns(self) -> Mapping[str, DeploymentPattern]:
        """The patterns that were judged, by key."""
        return {each.key: each.pattern for each in sorted(self.assessments, key=lambda each: each.key)}

    def assessment(self, key: str) -> Assessment:
        """Return what was found about one pattern.

        Raises:
            InvalidInput: If it was not judged.
        """
        for each in self.assessments:
            if each.key == key:
                return each
        raise InvalidInput(
            f"no pattern {key!r} was judged: choose from {', '.join(map(repr, self.patterns))}"
        )

    def explain(self) -> str:
        """Return every gate and every point with its reason and source, and what would change the answer."""
        from fairdeploy.patterns.explanation import explain  # noqa: PLC0415 -- it reads recommendations

        return explain(self)

    def summary(self) -> str:
        """Return a paragraph for a board."""
        from fairdeploy.patterns.explanation import summary  # noqa: PLC0415 -- it reads recommendations

        return summary(self)

    def changes(self) -> tuple[Change, ...]:
        """Return the smallest changes that change the winner, the smallest first."""
        from fairdeploy.patterns.changes import changes  # noqa: PLC0415 -- it makes recommendations

        return changes(self)

    def sensitivity(self, points: int = 2_000) -> Sensitivity:
        """Return in which share of all weightings each pattern wins. See `sensitivity`."""
        from fairdeploy.patterns.sensitivity import sensitivity  # noqa: PLC0415 -- it reads recommendations

        return sensitivity(self, points=points)

    def actions(self) -> tuple[Action, ...]:
        """Return what fairdeploy can do now for each pattern that can be chosen, the best first."""
        from fairdeploy.patterns.action import ACTIONS  # noqa: PLC0415 -- most never ask

        return tuple(ACTIONS[each.key] for each in self.eligible if each.key in ACTIONS)

    def to_markdown(self) -> str:
        """Return the decision matrix in Markdown."""
        from fairdeploy.patterns.markup import markdown  # noqa: PLC0415 -- it reads recommendations

        return markdown(self)

    def to_html(self) -> str:
        """Return the decision matrix as an HTML fragment that stands alone and can be read by a screen reader."""
        from fairdeploy.patterns.markup import html  # noqa: PLC0415 -- it reads recommendations

        return html(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the decision matrix as a frame, one row a pattern.

        Raises:
            MissingDependency: Without the extra ``notebook``.
        """
        from fairdeploy.patterns.frame import frame  # noqa: PLC0415 -- pandas is an extra

        return frame(self)

    def plot(self, kind: str = "matrix", axes: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw it: ``matrix`` (heat map), ``acceptability`` (bars) or ``parallel`` (coordinates).

        Raises:
            InvalidInput: If there is no such drawing.
            MissingDependency: Without the extra ``notebook``.
        """
        from fairdeploy.patterns.plot import plot  # noqa: PLC0415 -- matplotlib is an extra

        return plot(self, kind, axes)

    def to_json(self) -> str:
        """Return it as JSON, from which `Recommendation.from_json` makes an equal one.

        Raises:
            InvalidInput: If a criterion of your own is a function; a `Scale` can be written.
        """
        from fairdeploy.patterns.record import to_json  # noqa: PLC0415 -- it makes recommendations

        return to_json(self)

    @staticmethod
    def from_json(text: str, *, criteria: Sequence[Criterion] = ()) -> Recommendation:
        """Return what `to_json` wrote. It is worked out anew, and must come to the same.

        Args:
            text: What was written.
            criteria: Criteria of your own that are functions.

        Raises:
            InvalidInput: If it cannot be read, or these rules come to another answer: it is of another version.
        """
        from fairdeploy.patterns.record import from_json  # noqa: PLC0415 -- it makes recommendations

        return from_json(text, criteria=criteria)

    def __str__(self) -> str:
        """Return the paragraph for a board."""
        return self.summary()

    def __rich__(self) -> RenderableType:
        """Return the decision matrix as rich draws it."""
        from fairdeploy.patterns.terminal import table  # noqa: PLC0415 -- rich is there only where the user has it

        return table(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()
