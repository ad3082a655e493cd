from __future__ import annotations

import json
from typing import TYPE_CHECKING

from apps.story import Counts, Story

if TYPE_CHECKING:
    import pytest


def test_the_last_line_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """With JSON asked for, the last line holds the figures, whatever the width of the terminal."""
    counts = iter([Counts(requests=10), Counts(requests=25, lost=1, app_errors=2)])
    story = Story(machine=True, count=lambda: next(counts))
    with story.phase("a [bold] canary", "nothing [red] to see") as phase:
        phase.outcome = "promoted"
    story.fact("seconds_to_clean_traffic", "seconds to clean traffic", 0.25)
    story.end(Counts(requests=30, lost=1, app_errors=2))
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    (told,) = last.pop("phases")
    assert last == {"requests": 30, "lost": 1, "app_errors": 2, "seconds_to_clean_traffic": 0.25}
    assert told.pop("seconds") >= 0
    assert told == {
        "name": "a [bold] canary",
        "outcome": "promoted",
        "requests": 15,
        "lost": 1,
        "app_errors": 2,
    }


def test_people_read_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    """Without JSON the story ends with the sentence that matters."""
    story = Story(machine=False)
    story.end(Counts(requests=12_345))
    assert capsys.readouterr().out.endswith("12,345 requests, 0 lost\n")


def test_a_phase_that_ends_otherwise_is_a_surprise(capsys: pytest.CaptureFixture[str]) -> None:
    """A canary that comes back although it should not is named at the end."""
    story = Story(machine=False)
    with story.phase("canary", "a good one") as phase:
        phase.outcome = "rolled_back"
    story.end(Counts())
    assert story.surprises == ("canary",)
    assert capsys.readouterr().out.endswith("not as expected: canary\n")
