"""Rollouts in a notebook: Jupyter, and what reads its displays, or marimo. No widget is needed.

A cell may end while a rollout goes on: `start` gives it to a task of the notebook's own loop, and any later cell, or
another notebook, finds it again with `Deployer.attach` and looks on with `show`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import anyio

from fairdeploy.engine import charts
from fairdeploy.engine.progress import Progress, Stage
from fairdeploy.errors import Refused
from fairdeploy.model._check import milliseconds
from fairdeploy.model._sheet import Mark, Row, Sheet

if TYPE_CHECKING:
    from datetime import timedelta

    from fairdeploy.analysis.chart import CanaryChart
    from fairdeploy.engine import Deployer, Rollout
    from fairdeploy.model import Plan, RolloutResult
    from fairdeploy.protocols import Backend

__all__ = ["RolloutView", "show", "start"]

_Screen: TypeAlias = Callable[["RolloutView"], None]
_MARKS: Final[dict[Stage, Mark]] = {
    "ahead": "ahead",
    "running": "running",
    "done": "good",
    "back": "care",
    "failed": "bad",
}
_VERDICTS: Final[dict[str, Mark]] = {"pass": "good", "fail": "bad"}
_LOOK_S: Final = 0.05
_RUNNING: Final[set[asyncio.Task[None]]] = set()
"""asyncio itself keeps no task alive."""


@final
@dataclass(frozen=True, slots=True)
class RolloutView:
    """A rollout at one moment, as a notebook shows it: steps and verdicts as a table, errors as a chart.

    Args:
        sheet: The table.
        chart: The chart, if there is a router that counts.
    """

    sheet: Sheet
    chart: CanaryChart | None = None

    def __str__(self) -> str:
        """Return the table as text, for whoever shows no HTML."""
        return self.sheet.text()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        return self.sheet.html() + (self.chart._repr_html_() if self.chart is not None else "")


async def start(deployer: Deployer, plan: Plan) -> Rollout:
    """Begin a rollout and return at once; a task of the notebook's own loop drives it to its end.

    A cell that blocks the loop blocks it too: longer than the lease, and whoever recovers takes it over. If the kernel
    ends, it is recovered like that of any other dead program.

    Args:
        deployer: Over a backend that stays open.
        plan: From `Deployer.plan`.

    Raises:
        Refused: As `Deployer.run` does, before anything has changed.
        InvalidInput: As `Deployer.run` does.
    """
    begun: asyncio.Future[Rollout] = asyncio.get_running_loop().create_future()

    async def drive() -> None:
        try:
            async with deployer.run(plan) as rollout:
                begun.set_result(rollout)
                await rollout.result()
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)

    task = asyncio.create_task(drive(), name="fairdeploy rollout")
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)
    return await asyncio.shield(begun)


async def show(
    rollout: Rollout, backend: Backend | None = None, *, every: timedelta | float = 0.25
) -> RolloutResult:
    """Show a rollout in the cell's output, redrawn in place until it has ended, and return how it ended.

    It only looks: a cell that is interrupted leaves the rollout as it is.

    Args:
        rollout: From `start`, `Deployer.run` or `Deployer.attach`.
        backend: Where it runs, to draw what its router counts; ``None``: no chart.
        every: Time between two drawings, at least 0.2 s. Default 0.25 s.

    Raises:
        Refused: Outside of a notebook.
        JournalError: If the journal cannot be read.
    """
    pace = milliseconds(every, "every", low=200) / 1000 - _LOOK_S
    screen = _screen()
    progress = Progress(rollout.plan, rollout.id)
    events = rollout.events()
    counted = charts(rollout, backend, every=_LOOK_S) if backend is not None and backend.router else None
    chart: CanaryChart | None = None
    while progress.result is None:
        with anyio.move_on_after(pace):
            while progress.result is None:
                progress.see(await anext(events))
        if counted is not None:
            chart = await anext(counted, chart)
        screen(_view(progress, chart))
    return progress.result


def _view(progress: Progress, chart: CanaryChart | None) -> RolloutView:
    now = int(time.time() * 1000)
    steps = [
        Row(
            mark=_MARKS[row.stage],
            word=row.stage,
            name=name,
            says=row.words + (f" ({took})" if (took := row.took(now)) else ""),
            more=(row.telling,) if row.telling else (),
        )
        for name, row in progress.rows.items()
    ]
    guards = [
        Row(mark=_VERDICTS.get(word, "open"), word=word, about="guard", name=name, says=says.strip())
        for name, words in progress.guards.items()
        for word, _, says in [words.partition(":")]
    ]
    return RolloutView(Sheet(title=progress.title, rows=(*steps, *guards)), chart)


def _screen() -> _Screen:
    """Return what draws over what it drew before, in the notebook that this is."""
    marimo: Any = sys.modules.get("marimo")  # Any: none of these is needed to deploy, nor loaded by us
    if marimo is not None and marimo.running_in_notebook():
        replace: _Screen = marimo.output.replace
        return replace
    ipython: Any = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        raise Refused(
            "there is no notebook here to draw in: follow Rollout.events(), or use fairdeploy watch"
        )
    handles: list[Any] = []

    def draw(view: RolloutView) -> None:
        if handles:
            handles[0].update(view)
        else:
            handles.append(ipython.display.display(view, display_id=True))

    return draw
