"""The chart of a canary as SVG. Orange and blue, told apart by dashes and words too; text as the page has it."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from itertools import pairwise
from math import floor, log10
from typing import TYPE_CHECKING

from fairdeploy.analysis.rate import percent
from fairdeploy.model._words import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.analysis.chart import CanaryChart, Moment, Seen

__all__ = ["picture"]

_WIDE, _HIGH = 760.0, 420.0
_LEFT, _RIGHT = 64.0, 744.0
_TOP, _RATES = 66.0, 270.0
_SHARES, _BOTTOM = 312.0, 376.0
_ORANGE, _BLUE = "#E69F00", "#2E86C8"
"""Near Okabe and Ito's, which the colour-blind can tell apart; this blue can be seen on dark pages too."""
_STYLE = (
    "text{fill:currentColor;font:12px system-ui,sans-serif}"
    ".t{font-size:13px;font-weight:600}.q{opacity:.75;font-size:11px}"
    ".g{stroke:currentColor;stroke-opacity:.18}.m{stroke:currentColor;stroke-opacity:.55;stroke-dasharray:2 3}"
)
_LONGEST = 44
_LONGEST_MARK = 60
_CALM = 0.06
"""The axis of a calm rollout ends here at least, if the bounds go as far."""
_MARKS = 6


def picture(chart: CanaryChart) -> str:
    """Return the chart as one SVG element."""
    last = chart.moments[-1] if chart.moments else None
    chart = _printable(chart)
    until = max(1.0, last.seconds if last else 0.0, *(at for at, _ in chart.marks))
    top = _top(chart)
    parts = [
        f"<style>{_STYLE}</style>",
        *_legend(chart, last),
        *_rate_axis(top),
        *_share_axis(),
        *_time_axis(until),
        *_band(chart, until, top),
        *_marks(chart, until),
    ]
    if not any(moment.candidate.requests + moment.baseline.requests for moment in chart.moments):
        parts.append(_text((_LEFT + _RIGHT) / 2, (_TOP + _RATES) / 2, "no requests yet", anchor="middle"))
    said = escape(str(chart), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE:g} {_HIGH:g}" width="100%" role="img" '
        f'aria-label="{said}" style="color:inherit;max-width:{_WIDE * 1.4:g}px">{"".join(parts)}</svg>'
    )


def _printable(chart: CanaryChart) -> CanaryChart:
    """Return the chart with names and words that any picture can hold."""
    marks = tuple((at, clean(words)) for at, words in chart.marks)
    return replace(chart, candidate=clean(chart.candidate), baseline=clean(chart.baseline), marks=marks)


def _top(chart: CanaryChart) -> float:
    """Return the highest rate of the axis: all lines, and as much of the last bands as does not flatten them."""
    rates, edges = [0.001], [0.001]
    for moment in chart.moments:
        rates += [
            seen.errors / seen.requests for seen in (moment.candidate, moment.baseline) if seen.requests
        ]
    if chart.moments:
        last = chart.moments[-1]
        edges += [chart.bounds(seen)[1] for seen in (last.candidate, last.baseline) if seen.requests]
    return min(1.0, max(max(rates) * 1.15, min(max(edges) * 1.15, max(max(rates) * 4, _CALM))))


def _band(chart: CanaryChart, until: float, top: float) -> list[str]:
    """Return band and line of both; the share as steps below."""
    parts: list[str] = []
    sides = (
        [(_BLUE, "6 4", [(moment, moment.baseline) for moment in chart.moments])] if chart.baseline else []
    )
    sides.append((_ORANGE, "", [(moment, moment.candidate) for moment in chart.moments]))
    for colour, dash, looks in sides:
        seen = [(moment.seconds, each) for moment, each in looks if each.requests]
        if not seen:
            continue
        edges = [(at, *chart.bounds(each)) for at, each in seen]
        upper = [_point(at, high, until, top) for at, _, high in edges]
        lower = [_point(at, low, until, top) for at, low, _ in reversed(edges)]
        line = [_point(at, each.errors / each.requests, until, top) for at, each in seen]
        parts.append(
            f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" fill-opacity=".16" '
            f'stroke="{colour}" stroke-opacity=".45" stroke-width=".8"/>'
        )
        stroke = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="2.2"{stroke}/>'
        )
    return parts + _shares(chart.moments, until)


def _shares(moments: Sequence[Moment], until: float) -> list[str]:
    if not moments:
        return []

    def high(share: float) -> float:
        return _BOTTOM - share / 100 * (_BOTTOM - _SHARES)

    path = [f"M{_x(moments[0].seconds, until):.1f},{_BOTTOM:.1f}", f"V{high(moments[0].percent):.1f}"]
    for _, later in pairwise(moments):
        path += [f"H{_x(later.seconds, until):.1f}", f"V{high(later.percent):.1f}"]
    path += [f"V{_BOTTOM:.1f}", "Z"]
    return [
        f'<path d="{"".join(path)}" fill="{_ORANGE}" fill-opacity=".35" stroke="{_ORANGE}" stroke-width="1.5"/>'
    ]


def _legend(chart: CanaryChart, last: Moment | None) -> list[str]:
    parts = [
        _text(8, 16, f"Error rate, with bounds that hold at every look ({1 - chart.alpha:.0%})", kind="t")
    ]
    rows = [(_ORANGE, "", chart.candidate, last.candidate if last else None)]
    if chart.baseline:
        rows.append((_BLUE, "6 4", chart.baseline, last.baseline if last else None))
    for number, (colour, dash, name, seen) in enumerate(rows):
        y = 34 + 17 * number
        stroke = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<line x1="10" x2="36" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="3"{stroke}/>'
            f'<text x="42" y="{y}"><title>{escape(name)}</title>{escape(_short(name, _LONGEST))}'
            f'<tspan class="q">  {escape(_figures(chart, seen))}</tspan></text>'
        )
    return parts


def _figures(chart: CanaryChart, seen: Seen | None) -> str:
    if seen is None or not seen.requests:
        return "no requests"
    low, high = chart.bounds(seen)
    return f"{percent(seen.errors / seen.requests)} of {seen.requests:,} requests ({percent(low)} to {percent(high)})"


def _rate_axis(top: float) -> list[str]:
    parts = []
    step = _step(top)
    for number in range(floor(top / step) + 1):
        rate = number * step
        y = _RATES - rate / top * (_RATES - _TOP)
        parts.append(f'<line class="g" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{100 * rate:g} %", anchor="end", kind="q"))
    return parts


def _share_axis() -> list[str]:
    parts = [_text(8, _SHARES - 10, "Share of the traffic", kind="t")]
    for share in (0, 50, 100):
        y = _BOTTOM - share / 100 * (_BOTTOM - _SHARES)
        parts.append(f'<line class="g" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{share} %", anchor="end", kind="q"))
    return parts


def _time_axis(until: float) -> list[str]:
    unit, name = (60.0, "min") if until > 180 else (1.0, "s")
    step = _step(until / unit, most=8)
    parts = []
    for number in range(floor(until / unit / step) + 1):
        at = number * step
        parts.append(_text(_x(at * unit, until), _BOTTOM + 18, f"{at:g}", anchor="middle", kind="q"))
    parts.append(_text(_RIGHT, _BOTTOM + 36, f"{name} since the rollout began", anchor="end", kind="q"))
    return parts


def _marks(chart: CanaryChart, until: float) -> list[str]:
    """Return what happened lately, as a line each with its words beside it."""
    parts = []
    for number, (at, words) in enumerate(chart.marks[-_MARKS:]):
        x = _x(at, until)
        right = x > (_LEFT + _RIGHT) / 2
        y = _TOP + 12 + 15 * number
        parts.append(f'<line class="m" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
        parts.append(
            f'<text class="q" x="{x + (-5 if right else 5):.1f}" y="{y}" text-anchor="{"end" if right else "start"}">'
            f"<title>{escape(words)}</title>{escape(_cut(words))}</text>"
        )
    return parts


def _point(at: float, rate: float, until: float, top: float) -> str:
    return f"{_x(at, until):.1f},{_RATES - min(rate, top) / top * (_RATES - _TOP):.1f}"


def _x(at: float, until: float) -> float:
    return _LEFT + at / until * (_RIGHT - _LEFT)


def _step(span: float, most: int = 5) -> float:
    """Return a round step, so that there are not more than so many."""
    raw = span / most
    power = 10.0 ** floor(log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)


def _short(name: str, most: int) -> str:
    """Shorten a name in its middle: revisions differ at their ends."""
    if len(name) <= most:
        return name
    return f"{name[: most // 2]}…{name[-(most - most // 2 - 1) :]}"


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST_MARK else f"{words[: _LONGEST_MARK - 1]}…"


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'
