"""A plan as people read it: in a terminal, as a difference, in a notebook."""

from __future__ import annotations

import difflib
from html import escape
from typing import TYPE_CHECKING

from fairdeploy.model._words import check, clean, count, deadline_words, duration, step_words
from fairdeploy.model.check import is_comparison, is_counted, is_threshold
from fairdeploy.model.source import BoundSource, PrometheusSource
from fairdeploy.model.step import Bake, Promote
from fairdeploy.model.verdict import Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.model.guard import Guard
    from fairdeploy.model.plan import Base, Plan
    from fairdeploy.model.step import Step

__all__ = ["diff", "html", "rich_table", "summary", "text"]

_ACTIONS = {
    Action.CONTINUE: "go on",
    Action.HOLD: "hold",
    Action.PAUSE: "pause",
    Action.ROLLBACK: "go back",
}


def text(plan: Plan) -> str:
    """Return the whole plan as text; its last line says it all in short."""
    lines = [*_header(plan), ""]
    rows = list(_rows(plan))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    for number, name, does, by in rows:
        lines.append(f"  {number:>{widths[0]}}  {name:<{widths[1]}}  {does}" + (f"  [{by}]" if by else ""))
    if plan.guards:
        lines += ["", "Watching", *(f"  {line}" for line in _watching(plan))]
    if plan.notes:
        lines += ["", "Notes", *(f"  {clean(note)}" for note in plan.notes)]
    return "\n".join([*lines, "", summary(plan)])


def summary(plan: Plan) -> str:
    """Return the plan in one line."""
    if not plan.changes:
        return f"{plan.strategy}: nothing to do."
    parts = [count(len(plan.steps), "step")]
    if plan.guards:
        parts.append(count(len(plan.guards), "guard"))
    if watched := sum(step.duration_ms for step in plan.steps if isinstance(step, Bake)):
        parts.append(f"{duration(watched)} of watching")
    point = plan.point_of_no_return
    end = f"no way back by itself after {point.id!r}" if point else "no stable mark changes"
    return f"{plan.strategy}: {', '.join(parts)}; {end}."


def diff(before: Plan, after: Plan) -> str:
    """Return a unified diff of two plans' texts; empty if, and only if, the plans are equal."""
    lines = difflib.unified_diff(
        text(before).splitlines(),
        text(after).splitlines(),
        fromfile=before.hash[:12],
        tofile=after.hash[:12],
        lineterm="",
    )
    return "\n".join(lines)


def html(plan: Plan) -> str:
    """Return the plan for a notebook: escaped, and without colours, so that every theme suits it."""
    head = "".join(f"<div>{escape(line)}</div>" for line in _header(plan))
    rows = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in _rows(plan)
    )
    titles = "".join(
        f'<th style="text-align:left">{title}</th>' for title in ("#", "step", "does", "deadline")
    )
    table = f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    guards = "".join(f"<li>{escape(line)}</li>" for line in _watching(plan))
    notes = "".join(f"<li>{escape(clean(note))}</li>" for note in plan.notes)
    return (
        f'<div class="fairdeploy-plan">{head}{table}'
        + (f"<div>Watching</div><ul>{guards}</ul>" if guards else "")
        + (f"<div>Notes</div><ul>{notes}</ul>" if notes else "")
        + f"<div><strong>{escape(summary(plan))}</strong></div></div>"
    )


def rich_table(plan: Plan) -> object:
    """Return the plan for rich's console; its text where rich is not installed."""
    try:
        from rich.console import Group  # noqa: PLC0415 -- rich is not needed to deploy
        from rich.table import Table  # noqa: PLC0415 -- as above
        from rich.text import Text  # noqa: PLC0415 -- as above
    except ImportError:
        return text(plan)
    # `Text` is taken as it stands: names with brackets are no markup.
    table = Table(show_edge=False)
    table.add_column("#", justify="right")
    for title in ("step", "does", "deadline"):
        table.add_column(title, overflow="fold")
    for row in _rows(plan):
        table.add_row(*(Text(cell) for cell in row))
    parts: list[Text | Table] = [Text("\n".join(_header(plan)) + "\n")]
    if plan.changes:
        parts.append(table)
    if plan.guards:
        parts.append(Text("\nWatching\n" + "\n".join(f"  {line}" for line in _watching(plan))))
    if plan.notes:
        parts.append(Text("\nNotes\n" + "\n".join(f"  {clean(note)}" for note in plan.notes)))
    parts.append(Text("\n" + summary(plan), style="bold"))
    return Group(*parts)


def _header(plan: Plan) -> Iterator[str]:
    for base in plan.bases:
        yield f"{plan.strategy} of {base.target.id}: {_change(plan, base)}"
        now = str(base.split) if base.split else "none"
        yield f"  now: {base.stable or 'nothing'} stable with {count(base.replicas, 'instance')}, traffic {now}"
    yield f"  plan {plan.hash[:12]}, backend {', '.join(dict.fromkeys(base.backend for base in plan.bases))}"


def _change(plan: Plan, base: Base) -> str:
    if base.candidate is None:
        return f"{base.stable} stays"
    release = plan.releases.get(base.candidate)
    version = f" (version {clean(release.version)})" if release else ""
    return f"{base.stable or 'nothing'} -> {base.candidate}{version}"


def _rows(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    several = len(plan.bases) > 1
    for number, step in enumerate(plan.steps, 1):
        does = clean(step_words(step))
        yield str(number), step.id, _placed(step, does) if several else does, deadline_words(step)


def _placed(step: Step, does: str) -> str:
    return does if isinstance(step, Promote) else f"{step.target}: {does}"


def _watching(plan: Plan) -> Iterator[str]:
    for guard in plan.guards:
        yield f"{guard.id}: {_guard(guard)}"
    if any(is_comparison(guard.check) and guard.scope == "revision" for guard in plan.guards):
        policy = plan.undecided
        yield (
            f"undecided at the end ({policy.name}): {_ACTIONS[policy.far]} if no check failed and the evidence is at "
            f"most {100 * policy.limit:g} % of the way to a fail, else {_ACTIONS[policy.near]}"
        )


def _source(guard: Guard) -> str:
    match guard.source:
        case PrometheusSource(url=url) if is_counted(guard.check):
            return f" counted by Prometheus at {clean(url)}"
        case BoundSource(name=name) if is_counted(guard.check):
            return f" counted by {clean(name)}"
        case _:
            return ""


def _guard(guard: Guard) -> str:
    asked = clean(check(guard.check))
    row = f", {guard.failures} times in a row" if guard.failures > 1 else ""
    after = ", ".join(
        f"{verdict.replace('_', ' ')}: {_ACTIONS[guard.on[verdict]]}" for verdict in _notable(guard)
    )
    held = ""
    if Action.HOLD in guard.on.values():
        held = f"; held at most {duration(guard.hold_limit_ms)}, then {_ACTIONS[guard.then]}"
    return (
        f"{asked}{_source(guard)}, of {guard.candidate}, every {duration(guard.every_ms)}"
        f" from {guard.since} to {guard.until}; fails{row}: {_failing(guard)}"
        + (f", {after}" if after else "")
        + held
    )


def _failing(guard: Guard) -> str:
    action = guard.on[Verdict.FAIL]
    if action is Action.CONTINUE:
        return "warn"
    if action is Action.ROLLBACK and is_threshold(guard.check) and guard.baseline is not None:
        return f"{_ACTIONS[action]} ({_ACTIONS[guard.shared_fault]} if {guard.baseline} is as bad)"
    return _ACTIONS[action]


def _notable(guard: Guard) -> list[Verdict]:
    return [v for v in (Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.ERROR) if v in guard.on]
