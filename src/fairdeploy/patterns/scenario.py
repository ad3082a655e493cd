"""The same question under several assumptions, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns._extra import needed
from fairdeploy.patterns._read import text
from fairdeploy.patterns.recommendation import Recommendation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Recommendations for several scenarios.

    Args:
        scenarios: The recommendation of each, by name.
    """

    scenarios: Mapping[str, Recommendation]

    @property
    def robust(self) -> tuple[str, ...]:
        """The patterns that can be chosen in every scenario, those that win most often first."""
        ways = list(self.scenarios.values())
        keys = set.intersection(*({each.key for each in advice.eligible} for advice in ways))
        won = {key: sum(any(key == each.key for each in advice.winners) for advice in ways) for key in keys}
        return tuple(sorted(keys, key=lambda key: (-won[key], key)))

    def to_markdown(self) -> str:
        """Return a table: scenarios across, patterns down, points of 100 in it, winners in bold."""
        names = list(self.scenarios)
        keys = sorted({each.key for advice in self.scenarios.values() for each in advice.assessments})
        lines = [_line(["Pattern", *names]), _line(["---", *("---:" for _ in names)])]
        lines += [_line([key, *(_cell(self.scenarios[name], key) for name in names)]) for key in keys]
        robust = ", ".join(self.robust) or "none"
        return "\n".join([*lines, "", f"Can be chosen in every scenario: {robust}.", ""])

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_frame(self) -> pd.DataFrame:
        """Return points of 100 as a frame, patterns down and scenarios across; nothing where a pattern is excluded.

        Raises:
            MissingDependency: Without the extra ``notebook``.
        """
        pandas = needed("pandas", "notebook")
        columns = {
            name: {each.key: each.percent if each.eligible else None for each in advice.assessments}
            for name, advice in self.scenarios.items()
        }
        made: pd.DataFrame = pandas.DataFrame(columns)
        return made

    def __str__(self) -> str:
        """Return who wins in each scenario."""
        return "; ".join(
            f"{name}: {' and '.join(each.key for each in advice.winners) or 'nothing can be chosen'}"
            for name, advice in self.scenarios.items()
        )


def compare(scenarios: Mapping[str, Recommendation]) -> Comparison:
    """Return recommendations side by side.

    Args:
        scenarios: A recommendation for each scenario, by name.

    Raises:
        InvalidInput: If there is none, or one is no recommendation.
    """
    if not isinstance(scenarios, Mapping) or not scenarios:
        raise InvalidInput(f"scenarios must map names to at least one Recommendation, not {scenarios!r}")
    for name, advice in scenarios.items():
        text(name, "scenario name", longest=60)
        if not isinstance(advice, Recommendation):
            raise InvalidInput(f"scenario {name!r} must be a Recommendation, not {advice!r}")
    return Comparison(MappingProxyType(dict(scenarios)))


def _cell(advice: Recommendation, key: str) -> str:
    found = next((each for each in advice.assessments if each.key == key), None)
    if found is None:
        return "–"
    if not found.eligible:
        return "excluded"
    points = f"{found.percent:.0f}{' if' if found.conditions else ''}"
    return f"**{points}**" if found in advice.winners else points


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
