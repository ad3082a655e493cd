"""The decision matrix in Markdown and in HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from fairdeploy.patterns.matrix import matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.patterns.matrix import Matrix, Row
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["html", "markdown"]

# Colours come from the page, light or dark; what wins is said by a word and a weight, not by a colour alone.
# Named three times over: Jupyter aligns and colours every table of its own accord.
_TABLE = "table" + ".fairdeploy-matrix" * 3
_STYLE = (
    f"{_TABLE}{{border-collapse:collapse;color:inherit;background:transparent;font-size:0.9em}}"
    f"{_TABLE} caption{{text-align:left;font-weight:bold;padding:0.3em 0}}"
    f"{_TABLE} th,{_TABLE} td{{border:1px solid currentColor;padding:0.3em 0.6em;text-align:left;vertical-align:top}}"
    f"{_TABLE} td.number{{text-align:right;font-variant-numeric:tabular-nums}}"
    f"{_TABLE} tr.winner{{outline:2px solid currentColor;font-weight:bold}}"
    f"{_TABLE} tr.excluded{{opacity:0.75}}"
)


def markdown(advice: Recommendation) -> str:
    """Return the decision matrix as a table, with the paragraph for a board above and the conditions below it.

    Below, not in a column: a page would squeeze it to a word a line.
    """
    shown = matrix(advice)
    heads = ["Pattern", "Verdict", "Total", *shown.criteria]
    rules = ["---", "---", "---:", *("---:" for _ in shown.criteria)]
    rows = [_cells(row) for row in shown.rows]
    lines = [_line(heads), _line(rules, raw=True), *(_line(row) for row in rows)]
    remarks = [f"- {_text(row.name)}, {row.verdict}: {_text(row.remark)}" for row in shown.rows if row.remark]
    return "\n".join([_text(advice.summary()), "", *lines, "", *remarks, "", f"*{shown.footnote}*", ""])


def _cells(row: Row) -> list[str]:
    name = f"**{row.name}**" if row.first else row.name
    total = "–" if row.total is None else f"{row.total:.0f}"
    return [name, row.verdict, total, *row.points]


def _line(cells: Sequence[str], *, raw: bool = False) -> str:
    return f"| {' | '.join(cells if raw else map(_text, cells))} |"


def _text(text: str) -> str:
    """Return a text that stays in its cell and adds no markup; ``**`` is ours."""
    kept = text.startswith("**") and text.endswith("**")
    inner = text[2:-2] if kept else text
    for mark in ("\\", "|", "`", "*", "_", "[", "]", "<", ">"):
        inner = inner.replace(mark, f"\\{mark}")
    inner = " ".join(inner.split()).replace("$", "\\$")
    return f"**{inner}**" if kept else inner


def html(advice: Recommendation) -> str:
    """Return the decision matrix as a table with caption and scoped headings, and the conditions as a list below it."""
    shown = matrix(advice)
    heads = ["Pattern", "Verdict", "Total of 100", *shown.criteria]
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(_row(row) for row in shown.rows)
    remarks = "".join(
        f"<li><strong>{escape(row.name)}</strong>, {escape(row.verdict)}: {escape(row.remark)}</li>"
        for row in shown.rows
        if row.remark
    )
    return (
        f"<div><style>{_STYLE}</style><p>{escape(advice.summary())}</p>"
        f'<table class="fairdeploy-matrix"><caption>{escape(shown.title)}{_weights_said(shown)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<ul>{remarks}</ul><p><small>{escape(shown.footnote)}</small></p></div>"
    )


def _weights_said(shown: Matrix) -> str:
    return " (weights in parentheses)" if shown.criteria else ""


def _row(row: Row) -> str:
    kind = "winner" if row.first else "excluded" if row.total is None else "eligible"
    total = "–" if row.total is None else f"{row.total:.0f}"
    numbers = "".join(f'<td class="number">{escape(each)}</td>' for each in (total, *row.points))
    name = f"{row.name} (recommended)" if row.first else row.name
    return (
        f'<tr class="{kind}"><th scope="row">{escape(name)}</th><td>{escape(row.verdict)}</td>{numbers}</tr>'
    )
