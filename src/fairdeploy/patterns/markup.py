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
_STYLE = (
    ".fairdeploy-matrix{border-collapse:collapse;color:inherit;background:transparent;font-size:0.9em}"
    ".fairdeploy-matrix caption{text-align:left;font-weight:bold;padding:0.3em 0}"
    ".fairdeploy-matrix th,.fairdeploy-matrix td{border:1px solid currentColor;padding:0.3em 0.6em;text-align:left;vertical-align:top}"
    ".fairdeploy-matrix td.number{text-align:right;font-variant-numeric:tabular-nums}"
    ".fairdeploy-matrix tr.winner{outline:2px solid currentColor;font-weight:bold}"
    ".fairdeploy-matrix tr.excluded{opacity:0.75}"
)


def markdown(advice: Recommendation) -> str:
    """Return the decision matrix as a table, with the paragraph for a board above."""
    shown = matrix(advice)
    heads = ["Pattern", "Verdict", "Total", *shown.criteria, "Conditions, or what excludes it"]
    rules = ["---", "---", "---:", *("---:" for _ in shown.criteria), "---"]
    rows = [_cells(row) for row in shown.rows]
    lines = [_line(heads), _line(rules, raw=True), *(_line(row) for row in rows)]
    return "\n".join([_text(advice.summary()), "", *lines, "", f"*{shown.footnote}*", ""])


def _cells(row: Row) -> list[str]:
    name = f"**{row.name}**" if row.first else row.name
    total = "–" if row.total is None else f"{row.total:.0f}"
    return [name, row.verdict, total, *row.points, row.remark or "–"]


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
    """Return the decision matrix as a table with caption and scoped headings, inside a figure of its own."""
    shown = matrix(advice)
    heads = ["Pattern", "Verdict", "Total of 100", *shown.criteria, "Conditions, or what excludes it"]
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(_row(row) for row in shown.rows)
    return (
        f"<div><style>{_STYLE}</style><p>{escape(advice.summary())}</p>"
        f'<table class="fairdeploy-matrix"><caption>{escape(shown.title)}{_weights_said(shown)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p><small>{escape(shown.footnote)}</small></p></div>"
    )


def _weights_said(shown: Matrix) -> str:
    return " (weights in parentheses)" if shown.criteria else ""


def _row(row: Row) -> str:
    kind = "winner" if row.first else "excluded" if row.total is None else "eligible"
    total = "–" if row.total is None else f"{row.total:.0f}"
    numbers = "".join(f'<td class="number">{escape(each)}</td>' for each in (total, *row.points))
    name = f"{row.name} (recommended)" if row.first else row.name
    return (
        f'<tr class="{kind}"><th scope="row">{escape(name)}</th><td>{escape(row.verdict)}</td>'
        f"{numbers}<td>{escape(row.remark) or '–'}</td></tr>"
    )
