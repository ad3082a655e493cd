"""A report of good and bad things, drawn as text, for rich and as HTML from the same rows."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias, final

from fairdeploy.model._words import clean

__all__ = ["Mark", "Row", "Sheet"]

Mark: TypeAlias = Literal["good", "bad", "care", "open", "ahead", "running"]
"""``care``: bad, but no reason to stop. ``open``: nobody knows."""

_SIGNS: dict[Mark, str] = {"good": "✓", "bad": "✗", "care": "!", "open": "?", "ahead": "○", "running": "◐"}
_STYLES: dict[Mark, str] = {
    "good": "green",
    "bad": "bold red",
    "care": "yellow",
    "open": "cyan",
    "ahead": "dim",
    "running": "bold",
}
_LEAST, _MOST = 40, 110

# Text takes its colour from the page, light or dark. The edge's colours can be seen on both, and told apart by
# the colour-blind (Okabe and Ito's palette); the sign and the word beside it say the same.
_EDGES: dict[Mark, str] = {
    "good": "#009E73",
    "bad": "#D55E00",
    "care": "#E69F00",
    "open": "#56B4E9",
    "ahead": "#808080",
    "running": "#0072B2",
}
_CSS = (
    ".fairdeploy-sheet{font-size:1em;max-width:60em;color:inherit;margin:.6em 0}"
    ".fairdeploy-sheet table{border-collapse:collapse;width:100%;table-layout:auto;color:inherit;background:transparent}"
    ".fairdeploy-sheet caption{text-align:left;font-weight:bold;padding:.3em 0;color:inherit}"
    ".fairdeploy-sheet th,.fairdeploy-sheet td{text-align:left!important;vertical-align:top;padding:.35em .7em;"
    "border-bottom:1px solid rgba(128,128,128,.35);background:transparent!important}"
    ".fairdeploy-sheet th[scope=row]{font-weight:normal;max-width:14em;overflow-wrap:break-word}"
    ".fairdeploy-sheet td.says{overflow-wrap:anywhere;width:65%}"
    ".fairdeploy-sheet td.mark{white-space:nowrap;border-left:.3em solid}"
    ".fairdeploy-sheet .more{display:block;opacity:.8;font-size:.92em;margin-top:.15em}"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing.

    Args:
        mark: How it is.
        word: The same in words, such as ``critical``.
        about: What kind of thing it is; may be empty.
        name: Which thing.
        says: What was found.
        more: Further lines below, such as what to do.
    """

    mark: Mark
    word: str
    name: str
    says: str
    about: str = ""
    more: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A report.

    Args:
        title: Says it all in one line.
        rows: The things.
        foot: A last remark; may be empty.
    """

    title: str
    rows: tuple[Row, ...]
    foot: str = ""

    def text(self, width: int | None = None) -> str:
        """Return the report as text, no wider than the terminal: lines are folded, never cut."""
        wide = min(_MOST, max(_LEAST, width or shutil.get_terminal_size((_MOST, 24)).columns))
        words = max((len(row.word) for row in self.rows), default=0)
        lines = textwrap.wrap(clean(self.title), wide) or [""]
        for row in self.rows:
            name = clean(f"{row.about}: {row.name}" if row.about else row.name)
            head = f"  {_SIGNS[row.mark]} {row.word:<{words}}  "
            says = f"{name}: {clean(row.says)}" if row.says else name
            lines += textwrap.wrap(
                head + says,
                wide,
                initial_indent="",
                subsequent_indent=" " * len(head),
                break_on_hyphens=False,
            )
            for more in row.more:
                indent = " " * len(head)
                lines += textwrap.wrap(clean(more), wide, initial_indent=indent, subsequent_indent=indent)
        return "\n".join(lines + (textwrap.wrap(clean(self.foot), wide) if self.foot else []))

    def rich(self) -> object:
        """Return the report for rich's console; its text where rich is not installed."""
        try:
            from rich.console import Group  # noqa: PLC0415 -- rich is there only where the user has it
            from rich.table import Table  # noqa: PLC0415 -- as above
            from rich.text import Text  # noqa: PLC0415 -- as above
        except ImportError:
            return self.text()
        # `Text` is taken as it stands: names with brackets are no markup.
        table = Table(show_edge=False, show_header=False, box=None, padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", ratio=1)
        table.add_column(overflow="fold", ratio=3)
        for row in self.rows:
            says = Text(clean(row.says))
            for more in row.more:
                says.append(f"\n{clean(more)}", style="dim")
            name = Text(clean(f"{row.about}: {row.name}" if row.about else row.name))
            table.add_row(Text(f"{_SIGNS[row.mark]} {row.word}", style=_STYLES[row.mark]), name, says)
        parts: list[Text | Table] = [Text(clean(self.title), style="bold")]
        if self.rows:
            parts.append(table)
        if self.foot:
            parts.append(Text(clean(self.foot), style="dim"))
        return Group(*parts)

    def html(self) -> str:
        """Return the report for a notebook: escaped, for every theme, with sign and word beside the colour."""
        body = "".join(_html(row) for row in self.rows)
        head = "".join(f'<th scope="col">{title}</th>' for title in ("State", "What", "Found"))
        table = (
            f"<table><caption>{escape(clean(self.title))}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            if self.rows
            else f"<strong>{escape(clean(self.title))}</strong>"
        )
        foot = f'<span class="more">{escape(clean(self.foot))}</span>' if self.foot else ""
        return f'<div class="fairdeploy-sheet"><style>{_CSS}</style>{table}{foot}</div>'


def _html(row: Row) -> str:
    more = "".join(f'<span class="more">{escape(clean(each))}</span>' for each in row.more)
    about = f'<span class="more">{escape(clean(row.about))}</span>' if row.about else ""
    return (
        f'<tr><td class="mark" style="border-left-color:{_EDGES[row.mark]}">{_SIGNS[row.mark]} {escape(row.word)}</td>'
        f'<th scope="row">{escape(clean(row.name))}{about}</th>'
        f'<td class="says">{escape(clean(row.says))}{more}</td></tr>'
    )
