"""What an example tells while it runs, and what it says at the end."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Counts", "Phase", "Story"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Requests, by how they ended, at one moment.

    Args:
        requests: Begun.
        lost: Without a valid answer.
        app_errors: Answered by the application itself with a status of 500 or more.
    """

    requests: int = 0
    lost: int = 0
    app_errors: int = 0

    def since(self, earlier: Counts) -> Counts:
        """Return what came after `earlier`."""
        return Counts(
            requests=self.requests - earlier.requests,
            lost=self.lost - earlier.lost,
            app_errors=self.app_errors - earlier.app_errors,
        )


@dataclass(slots=True)
class Phase:
    """One chapter: what was done, what came of it, and what visitors noticed.

    Args:
        name: What is done.
        outcome: What came of it; set inside the block of `Story.phase`.
        expected: What should come of it.
        seconds: How long it took.
        counts: The requests of that time.
    """

    name: str
    outcome: str = ""
    expected: str = ""
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)


@final
class Story:
    """Prints lines as they happen, and figures at the end.

    Args:
        machine: Whether the last line shall be JSON, for programs.
        count: Tells the counts so far, for the figures of each phase.
    """

    def __init__(self, *, machine: bool, count: Callable[[], Counts] = Counts) -> None:
        """Begin the clock."""
        self.count = count
        self._facts: dict[str, tuple[str, float]] = {}
        self._machine = machine
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._phases: list[Phase] = []

    @property
    def surprises(self) -> tuple[str, ...]:
        """The names of phases that did not end as expected."""
        return tuple(phase.name for phase in self._phases if phase.outcome != phase.expected)

    def say(self, line: str) -> None:
        """Print a line with the time since the beginning; `line` is plain text."""
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {line}", markup=False)

    def show(self, thing: object) -> None:
        """Print a thing that knows how to look well."""
        self._console.print(thing)

    def fact(self, key: str, words: str, value: float) -> None:
        """Note a figure for the end.

        Args:
            key: Its name in the JSON.
            words: Its name for people.
            value: The figure.
        """
        self._facts[key] = (words, value)

    @contextmanager
    def phase(self, name: str, about: str, *, expect: str = "promoted") -> Generator[Phase]:
        """Tell one chapter.

        Args:
            name: A word or two, for the table.
            about: What happens in it.
            expect: The outcome that it should have.

        Yields:
            The phase, to take note of its outcome.
        """
        phase, before, began = Phase(name, expected=expect), self.count(), time.monotonic()
        self._console.print()
        self._console.print(f"{began - self._began:6.1f} s  {name}: {about}", style="bold", markup=False)
        yield phase
        phase.seconds, phase.counts = time.monotonic() - began, self.count().since(before)
        self._phases.append(phase)
        self.say(f"  {phase.outcome} after {phase.seconds:.1f} s: {_sentence(phase.counts)}")

    def end(self, total: Counts) -> None:
        """Print the figures; with `machine`, the last line is JSON.

        Args:
            total: All requests, after the last answer.
        """
        table = Table("phase", "outcome", box=None, pad_edge=False)
        for column in ("seconds", "requests", "lost", "app errors"):
            table.add_column(column, justify="right")
        for phase in self._phases:
            table.add_row(phase.name, phase.outcome, f"{phase.seconds:.1f}", *_cells(phase.counts))
        table.add_section()
        table.add_row("in all", "", f"{time.monotonic() - self._began:.1f}", *_cells(total), style="bold")
        self._console.print()
        self._console.print(table)
        self._console.print()
        for words, value in self._facts.values():
            self._console.print(f"{words}: {value:,}", markup=False)
        self._console.print(f"{_sentence(total)}", style="bold red" if total.lost else "bold green")
        if self.surprises:
            self._console.print(
                f"not as expected: {', '.join(self.surprises)}", style="bold red", markup=False
            )
        if self._machine:
            phases = [_record(phase) for phase in self._phases]
            whole = {"requests": total.requests, "lost": total.lost, "app_errors": total.app_errors}
            facts = {key: value for key, (_, value) in self._facts.items()}
            # Not by the console: it would break the line at the terminal's width.
            print(json.dumps({**whole, **facts, "phases": phases}), flush=True)


def _cells(counts: Counts) -> tuple[str, str, str]:
    return f"{counts.requests:,}", str(counts.lost), str(counts.app_errors)


def _record(phase: Phase) -> dict[str, object]:
    counts = phase.counts
    return {
        "name": phase.name,
        "outcome": phase.outcome,
        "seconds": round(phase.seconds, 3),
        "requests": counts.requests,
        "lost": counts.lost,
        "app_errors": counts.app_errors,
    }


def _sentence(counts: Counts) -> str:
    errors = (
        f", {counts.app_errors} answered with an error by the application itself" if counts.app_errors else ""
    )
    return f"{counts.requests:,} requests, {counts.lost} lost{errors}"
