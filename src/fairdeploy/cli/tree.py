"""One tree of a rollout, redrawn in place at most five times a second; its last state stays on the screen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, final

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree as RichTree

from fairdeploy.engine.progress import Progress
from fairdeploy.model._words import clean

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from fairdeploy.engine.progress import Row
    from fairdeploy.model import Event, Plan, RolloutId

__all__ = ["Tree"]

_REDRAWS: Final = 5
"""A second, at the most: more is flicker, and a remote terminal pays for each."""
_MARKS: Final = {"ahead": "○", "running": "◐", "done": "✔", "back": "↩", "failed": "✖"}
_STYLES: Final = {"ahead": "dim", "running": "bold", "done": "green", "back": "yellow", "failed": "red"}


@final
class Tree:
    """Draws a rollout as a tree of steps and guards, on standard error.

    Args:
        plan: Whose steps.
        rollout: Its id.
        console: Where; another one only in tests.
    """

    def __init__(self, plan: Plan, rollout: RolloutId, *, console: Console | None = None) -> None:
        self._progress = Progress(plan, rollout)
        self._live = Live(
            get_renderable=self.draw,
            console=console or Console(stderr=True, highlight=False),
            refresh_per_second=_REDRAWS,
            transient=False,
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw it a last time, and leave it there."""
        self._live.refresh()
        self._live.stop()

    def see(self, event: Event) -> None:
        """Take in an event; it is drawn with the next redraw."""
        self._progress.see(event)

    def draw(self) -> RichTree:
        """Return the tree as it stands."""
        tree = RichTree(Text(self._progress.title), guide_style="dim")
        now = int(time.time() * 1000)
        for name, row in self._progress.rows.items():
            tree.add(_drawn(name, row, now))
        if self._progress.guards:
            watching = tree.add("watching")
            for name, words in self._progress.guards.items():
                watching.add(Text(f"{name}  {words}"))
        return tree


def _drawn(name: str, row: Row, now: int) -> Text:
    words = Text(f"{_MARKS[row.stage]} {name:<14} {clean(row.words)}", style=_STYLES[row.stage])
    if took := row.took(now):
        words.append(f"  {took}", style="dim")
    if row.telling:
        words.append(f"  {row.telling}")
    return words
