from __future__ import annotations

import builtins
import io
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fairdeploy.model import (
    Await,
    Base,
    CommandCheck,
    Drain,
    HTTPCheck,
    Job,
    Plan,
    Promote,
    Release,
    Retire,
    RunJob,
    SecretRef,
    Shift,
    Split,
    Target,
    TCPCheck,
    Verify,
    Window,
)
from fairdeploy.model._words import duration
from fairdeploy.model.plan_text import diff, html, rich_table, summary, text
from fairdeploy.strategies import BlueGreen, Canary, Recreate, Rolling, sequence, with_checks
from tests.strategies.worlds import EVERYTHING, NEW, OLD, deployed, target

if TYPE_CHECKING:
    from types import ModuleType

CANARY = Canary(steps=(5, 100)).plan(NEW, target(2), deployed(2), EVERYTHING)
PLANS = [
    CANARY,
    with_checks(CANARY, {"api": HTTPCheck("/"), "db": TCPCheck("db:1", scope="shared")}),
    BlueGreen().plan(NEW, target(), deployed(), EVERYTHING),
    Rolling().plan(NEW, target(), deployed(), EVERYTHING),
    Recreate().plan(NEW, target(), deployed(), EVERYTHING),
    Canary().plan(OLD, target(4), deployed(4), EVERYTHING),
]


def _line(plan: Plan, step: str) -> str:
    return next(line for line in text(plan).splitlines() if step in line.split()[1:2])


def test_a_plan_says_who_where_and_from_what() -> None:
    """The head names strategy, target, both revisions, the version, and what serves now."""
    head = text(CANARY).splitlines()[:3]

    assert head[0] == f"Canary of shop/production: {OLD.revision} -> {NEW.revision} (version 1.5)"
    assert head[1] == f"  now: {OLD.revision} stable with 2 instances, traffic {OLD.revision} 100 %"
    assert CANARY.hash[:12] in head[2]


def test_steps_are_numbered_and_said_in_words() -> None:
    """Splits are in percent, durations in units, replicas in instances, deadlines beside them."""
    assert _line(CANARY, "start").split(None, 2)[2] == f"start {NEW.revision} with 1 instance  [within 5 min]"
    assert f"traffic {OLD.revision} 95 % · {NEW.revision} 5 %" in _line(CANARY, "shift-5")
    assert "watch for 5 min" in _line(CANARY, "bake-5")
    assert "kept warm for 10 min" in _line(CANARY, "retire")
    assert _line(CANARY, "start").startswith("   1  start")


def test_guards_are_said_with_their_consequences() -> None:
    """What is watched, how often, from when until when, and what follows which verdict."""
    plan = text(with_checks(CANARY, {"api": HTTPCheck("/health")}))

    assert "check:api: GET /health" in plan
    assert "every 1 s from shift-5 to bake-100; fails, 3 times in a row: go back" in plan
    assert "no data: go on, error: hold; held at most 10 min, then go back" in plan


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.strategy}-{plan.hash[:6]}")
def test_the_last_line_is_a_short_summary(plan: Plan) -> None:
    """Whoever reads one line only reads the last."""
    assert str(plan).splitlines()[-1] == summary(plan)
    assert len(summary(plan)) < 100


def test_a_plan_without_steps_says_so() -> None:
    """Nothing to do is said in the notes and in the summary."""
    assert "Nothing to do" in str(PLANS[-1])
    assert summary(PLANS[-1]) == "Unchanged: nothing to do."


def test_several_targets_are_told_apart() -> None:
    """In a sequence each step names its target, and the promotion names all."""
    other = Canary().plan(NEW, Target("api"), replace(deployed(), target="api/production"), EVERYTHING)
    words = text(sequence(CANARY, other))

    assert "shop/production: traffic" in words
    assert f"promote {NEW.revision} in shop/production, {NEW.revision} in api/production" in words


def test_a_diff_is_empty_only_between_equal_plans() -> None:
    """Plans that differ in anything, even in what the text leaves out, have a difference."""
    slower = Canary(steps=(5, 100), bake=600).plan(NEW, target(2), deployed(2), EVERYTHING)
    hidden = replace(CANARY, undo=replace(CANARY.undo, deadline_ms=999_000))

    assert diff(CANARY, CANARY) == ""
    assert any(
        line.startswith("-") and "watch for 5 min" in line for line in CANARY.diff(slower).splitlines()
    )
    assert any(
        line.startswith("+") and "watch for 10 min" in line for line in CANARY.diff(slower).splitlines()
    )
    assert diff(CANARY, hidden)


def _hostile() -> Plan:
    release = Release("1<script>alert(1)</script>\x1b[2J[bold]", command=["serve", "{port}"])
    plan = Canary(verify=[CommandCheck(["sh", "-c", "<b>&amp;\x1b]0;x\x07"])])
    return plan.plan(release, target(), deployed(), EVERYTHING)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("plan", [*PLANS, _hostile()], ids=lambda plan: f"{plan.strategy}-{plan.hash[:6]}")
def test_html_is_well_formed_and_escaped(plan: Plan) -> None:
    """A notebook shows a table; no name can become markup, and no theme is spoilt by colours."""
    tags = _Tags()
    tags.feed(html(plan))

    assert tags.open == []
    assert tags.seen <= {"div", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong"}
    assert "color" not in html(plan)
    assert plan._repr_html_() == html(plan)


def test_no_name_commands_a_terminal() -> None:
    """Escape sequences in versions and commands are not printed."""
    assert "\x1b" not in text(_hostile())
    assert "\x1b" not in html(_hostile())


def test_no_secret_is_shown() -> None:
    """Neither environment nor configuration of a release is in its plan's texts."""
    release = Release(
        "2",
        command=["serve", "{port}"],
        env={"TOKEN": SecretRef("env", "TOKEN", fingerprint="f1f2f3"), "MODE": "hunter2"},
        config={"app.toml": "hunter3"},
    )
    plan = Canary().plan(release, target(), deployed(), EVERYTHING)

    for shown in (text(plan), html(plan)):
        assert not [word for word in ("f1f2f3", "hunter2", "hunter3") if word in shown]


def _printed(plan: Plan) -> str:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(plan)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rich_prints_the_same_words() -> None:
    """In rich's console a plan is a table; names with brackets are no markup."""
    for plan in PLANS:
        assert summary(plan) in _printed(plan)
        assert all(step.id in _printed(plan) for step in plan.steps)
    assert "[bold]" in _printed(_hostile())


def test_without_rich_there_is_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich is no dependency: where it is missing the text is returned."""
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> ModuleType:
        if name.partition(".")[0] == "rich":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(builtins, "__import__", without)

    assert rich_table(CANARY) == text(CANARY)


def test_every_kind_of_step_has_words() -> None:
    """Also the steps that no strategy takes by itself."""
    where = "shop/production"
    steps = (
        Await("window", target=where, reason="window", window=Window(days=(5, 6)), then="continue"),
        RunJob("job", target=where, revision="r", job=Job("index", command=["index"])),
        Verify("verify", target=where, revision="r", checks=()),
        Drain("drain", target=where, revision="r", keep=1, requests_ms=500),
        Retire("retire", target=where, revision="r"),
        Shift("shift", target=where, split=Split({"a": 3_334, "b": 6_666})),
        Promote("promote", targets=((where, "r"),)),
    )
    words = text(Plan("By hand", bases=(Base(target()),), steps=steps))

    for said in (
        "wait for the window Sat, Sun 09:00-17:00 UTC, at most 1 d, then go on",
        "run job index beside r",
        "check r on its own addresses: no checks given",
        "take instances of r out of service until 1 left (requests 500 ms, streams 1 min)",
        "retire r",
        "traffic b 66.66 % · a 33.34 %",
    ):
        assert said in words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 s"),
        (1, "1 ms"),
        (1_500, "1 s 500 ms"),
        (90_000, "1 min 30 s"),
        (5_400_000, "1 h 30 min"),
        (86_400_000, "1 d"),
        (90_061_001, "1 d 1 h"),
    ],
)
def test_durations_read_well(milliseconds: int, words: str) -> None:
    """At most two units, the largest first."""
    assert duration(milliseconds) == words
