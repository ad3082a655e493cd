"""What a journal means: histories, versions, recovery, windows; pure readings of records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from fairdeploy.engine.control import Control, Leave, Stop
from fairdeploy.engine.ends import policy
from fairdeploy.engine.history import History
from fairdeploy.engine.holder import holder_is_dead, this_holder
from fairdeploy.engine.recovery import direction_of, is_left, obeyed_until
from fairdeploy.engine.versions import ROLLBACK, previous_verified, verified
from fairdeploy.engine.waits import seconds_until_open
from fairdeploy.errors import RollbackError
from fairdeploy.model import (
    Base,
    Began,
    Command,
    Event,
    Held,
    Intended,
    Judged,
    Outcome,
    Parked,
    Paused,
    Plan,
    Promote,
    Record,
    Resumed,
    RolloutResult,
    Settled,
    Shift,
    Split,
    Start,
    TookOver,
    Undoing,
    UndoPolicy,
    Window,
)
from fairdeploy.model.verdict import Action, Verdict
from fairdeploy.protocols import RolloutInfo
from tests.engine.simulated import ONE, SHOP, THREE, TWO, release

OLD, NEW = ONE.revision, TWO.revision
BASE = Base(SHOP, stable=OLD, candidate=NEW, split=Split.all_to(OLD), replicas=1)
PLAN = Plan(
    "test",
    bases=(BASE,),
    releases={OLD: ONE, NEW: TWO},
    steps=(
        Start("start", target=SHOP.id, revision=NEW, replicas=1),
        Shift("shift", target=SHOP.id, split=Split.all_to(NEW)),
        Promote("promote", targets=((SHOP.id, NEW),)),
    ),
)
BEGAN = Began(plan_hash="h", holder="h")
GONE = "nobody@elsewhere:1 boot=b ns=1 start=1"


def told(*records: Record) -> tuple[Event, ...]:
    """Return records as the journal tells them."""
    return tuple(
        Event(seq=seq, rollout="r", epoch=0 if isinstance(record, Command) else 1, at_ms=seq, record=record)
        for seq, record in enumerate((BEGAN, *records), 1)
    )


def info(plan: Plan = PLAN, *, expires_ms: int = 0, result: RolloutResult | None = None) -> RolloutInfo:
    """Return what a journal knows of a rollout."""
    return RolloutInfo(
        id="r", plan=plan, began_ms=1, holder=GONE, epoch=1, expires_ms=expires_ms, result=result
    )


# Histories.


def test_a_history_is_what_its_events_amount_to() -> None:
    """Intents, ends, the way back, pauses: each is where it belongs."""
    back = Shift("undo-1-shift", target=SHOP.id, split=Split.all_to(OLD))
    history = History.of(
        PLAN,
        told(
            Intended(step="start"),
            Settled(step="start"),
            Intended(step="shift"),
            Paused(),
            Undoing(outcome="aborted", reason="x"),
            Intended(step=back.id, phase="undo", undo=back),
        ),
    )
    assert history.began_ms == 1
    assert history.intended == ["start", "shift"]
    assert [step.id for step in history.left] == ["shift", "promote"]
    assert history.touched == {SHOP.id}
    assert history.paused
    assert not history.promoting
    assert history.rule(SHOP.id) == back
    assert history.undo_settled == set()


def test_the_rule_in_force_is_the_last_one_intended() -> None:
    """Before the first shift it is the base's."""
    history = History(PLAN)
    assert history.rule(SHOP.id) is None
    history.add(Intended(step="shift"))
    assert history.rule(SHOP.id) == PLAN.steps[1]


def test_the_point_of_no_return_is_the_intent() -> None:
    """Not its effect, and not its end."""
    assert History.of(PLAN, told(Intended(step="promote"))).promoting
    assert not History.of(PLAN, told(Settled(step="shift"))).promoting


def test_a_promotion_by_plan_names_what_was_undecided() -> None:
    """A guard that never judged had no data."""
    assert policy(History(PLAN)) == "by plan: no guards"


# Recovery.


def test_a_live_lease_is_not_left_and_an_expired_one_is() -> None:
    """Whatever the records say."""
    assert not is_left(info(expires_ms=1_000), told(), 999)
    assert is_left(info(expires_ms=1_000), told(), 1_000)
    ended = RolloutResult("r", outcome=Outcome.PROMOTED, reason="", serving=())
    assert not is_left(info(result=ended), told(), 5_000)


PARKED = Parked(until_ms=500, then="undo")


@pytest.mark.parametrize(
    ("after", "now", "left"),
    [
        ((), 499, False),
        ((), 500, True),
        ((Command(verb="promote"),), 1, True),
        ((Judged(guard="g", verdict=Verdict.PASS, action=Action.CONTINUE),), 1, False),
        ((Held(guard="g", message="m"),), 1, False),
        ((Resumed(),), 1, True),
        ((TookOver(holder="h", reason="r"),), 1, True),
    ],
)
def test_a_parked_rollout_is_left_alone_until_its_date_or_a_command(
    after: tuple[Record, ...], now: int, *, left: bool
) -> None:
    """What guards wrote meanwhile does not make it a crash."""
    assert is_left(info(), told(PARKED, *after), now) is left


def test_a_crash_goes_back_unless_its_plan_says_otherwise() -> None:
    """A pure function of the journal."""
    events = told(Intended(step="start"))
    stop = direction_of(info(), History.of(PLAN, events), events)
    assert isinstance(stop, Stop)
    assert stop.outcome == "rolled_back"
    assert "gone at 'start'" in stop.reason
    resuming = Plan("test", bases=(BASE,), steps=PLAN.steps, undo=UndoPolicy(on_crash="resume"))
    assert direction_of(info(resuming), History.of(resuming, events), events) == "forward"


def test_past_the_promotions_intent_it_is_forward_whatever_else_was_asked() -> None:
    """An abort that came too late stays too late."""
    events = told(Intended(step="promote"), Command(verb="abort"))
    assert direction_of(info(), History.of(PLAN, events), events) == "forward"


def test_a_way_back_that_was_begun_is_gone_on_for_its_own_reason() -> None:
    """Not for the crash that interrupted it."""
    events = told(Intended(step="start"), Undoing(outcome="aborted", reason="mine", evidence=("e",)))
    stop = direction_of(info(), History.of(PLAN, events), events)
    assert stop == Stop(outcome="aborted", reason="mine", evidence=("e",))


@pytest.mark.parametrize("before", [(), (PARKED,)])
@pytest.mark.parametrize(("verb", "outcome"), [("abort", "aborted"), ("supersede", "superseded")])
def test_an_abort_sent_to_a_dead_program_is_still_obeyed(
    before: tuple[Record, ...], verb: str, outcome: str
) -> None:
    """Also where the plan would have gone on by itself."""
    resuming = Plan("test", bases=(BASE,), steps=PLAN.steps, undo=UndoPolicy(on_crash="resume"))
    command = Command(verb=verb, by="me", reason="so")  # type: ignore[arg-type]  # a Literal
    events = told(Intended(step="start"), *before, command)
    stop = direction_of(info(resuming), History.of(resuming, events), events)
    assert isinstance(stop, Stop)
    assert stop.outcome == outcome
    assert stop.reason == f"{outcome} by me: so"


def test_commands_after_the_last_record_of_a_dead_program_are_obeyed_by_the_next() -> None:
    """Those before it left a trace already."""
    events = told(Command(verb="promote"), Settled(step="start"), Command(verb="promote"))
    assert obeyed_until(events) == 3
    assert obeyed_until(told(PARKED, Command(verb="promote"))) == 2
    assert obeyed_until(()) == 0


def test_this_process_is_alive_and_another_boot_is_not() -> None:
    """Whatever cannot be told from here is not called dead."""
    mine = this_holder()
    assert not holder_is_dead(mine)
    assert not holder_is_dead("")
    assert not holder_is_dead(GONE)
    boot = mine.partition("boot=")[2].partition(" ")[0]
    assert holder_is_dead(mine.replace(boot, "another")) == bool(boot)
    start = mine.partition("start=")[2]
    assert holder_is_dead(mine.replace(f"start={start}", "start=1")) == bool(boot)


# Versions.


def rollout(candidate: str | None, *, strategy: str = "Canary", promoted: bool = True) -> RolloutInfo:
    """Return a rollout that has ended."""
    releases = {each.revision: each for each in map(release, "123456789")}
    plan = Plan(strategy, bases=(Base(SHOP, candidate=candidate),), releases=releases)
    outcome = Outcome.PROMOTED if promoted else Outcome.ROLLED_BACK
    return info(plan, result=RolloutResult("r", outcome=outcome, reason="", serving=()))


def test_only_what_was_promoted_is_verified() -> None:
    """Failed, scaling and open rollouts are no versions."""
    infos = [rollout(OLD), rollout(NEW, promoted=False), rollout(None), info()]
    assert verified(SHOP.id, infos) == [OLD]


def test_a_rollback_condemns_what_it_leaves() -> None:
    """Going back twice goes further back; deploying again begins a new line."""
    infos = [rollout(OLD), rollout(NEW), rollout(THREE.revision), rollout(NEW, strategy=ROLLBACK)]
    assert verified(SHOP.id, infos) == [OLD, NEW]
    assert previous_verified(SHOP.id, infos, NEW, None) == OLD
    with pytest.raises(RollbackError, match="was never promoted to '3'"):
        previous_verified(SHOP.id, infos, NEW, "3")
    assert verified(SHOP.id, [*infos, rollout(THREE.revision)]) == [OLD, NEW, THREE.revision]


@given(st.lists(st.tuples(st.sampled_from("12345"), st.booleans()), max_size=12))
def test_a_way_back_is_never_the_present_and_never_condemned(moves: list[tuple[str, bool]]) -> None:
    """However deploys and rollbacks follow each other."""
    infos: list[RolloutInfo] = []
    stable: str | None = None
    condemned: set[str] = set()
    for version, back in moves:
        if back:
            try:
                to = previous_verified(SHOP.id, infos, stable, None)
            except RollbackError:
                continue
            assert to != stable
            assert to not in condemned
            condemned.add(str(stable))
            infos.append(rollout(to, strategy=ROLLBACK))
            stable = to
        else:
            stable = release(version).revision
            condemned.discard(stable)
            infos.append(rollout(stable))
        assert len(set(verified(SHOP.id, infos))) == len(verified(SHOP.id, infos))


# Windows.


def at(text: str, zone: str = "UTC") -> int:
    """Return a wall clock time in milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-01-01T08:00", 1),
        ("2026-01-01T09:00", 0),
        ("2026-01-01T16:59", 0),
        ("2026-01-01T17:00", 16),
        ("2026-01-02T17:00", 64),
    ],
)
def test_a_window_opens_at_its_hour_on_its_days(now: str, hours: int) -> None:
    """Nine to five on working days; on Friday evening it is the Monday that counts."""
    assert seconds_until_open(Window(), at(now)) == hours * 3600


def test_a_window_follows_the_clocks_of_its_zone() -> None:
    """On the night when clocks go forward, nine comes an hour earlier."""
    window = Window(days=(6,), opens=9 * 60, closes=10 * 60, zone="Europe/Berlin")
    assert seconds_until_open(window, at("2026-03-29T01:00", "Europe/Berlin")) == 7 * 3600


windows = st.builds(
    lambda days, opens, length, zone: Window(
        days=tuple(days), opens=opens, closes=min(1_440, opens + length), zone=zone
    ),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 1_438),
    st.integers(1, 600),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)


@given(windows, st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 - hypothesis draws naive ones
def test_a_wait_for_a_window_ends_in_it_within_eight_days(window: Window, moment: datetime) -> None:
    """After the wait it is open; a moment before, it was not."""
    now = round(moment.replace(tzinfo=UTC).timestamp()) * 1000
    wait = seconds_until_open(window, now)
    assert 0 <= wait <= timedelta(days=8).total_seconds()
    if wait:
        opened = seconds_until_open(window, now + round(wait * 1000))
        # A window within an hour that clocks leave out does not open on that day.
        assert opened == 0 or window.zone != "UTC"
        assert seconds_until_open(window, now + round(wait * 1000) - 1_000) > 0


# Control.


def test_the_first_reason_to_stop_counts_and_being_fenced_overrides_it() -> None:
    """Whoever is no longer the holder must not even go back."""
    control = Control()
    first = Stop(outcome="aborted", reason="first")
    control.stop(first)
    control.stop(Stop(outcome="rolled_back", reason="second"))
    control.stop(Leave(why="detached"))
    stopped: list[Stop | Leave | None] = [control.stopped]
    control.stop(Leave(why="fenced"))
    assert [*stopped, control.stopped] == [first, Leave(why="fenced")]


def test_a_promote_ends_a_pause_or_a_wait_but_not_both() -> None:
    """With ``full`` it ends everything that comes."""
    control = Control()
    control.obey(Command(verb="pause"))
    assert control.obey(Command(verb="pause")) == "nothing"
    assert control.obey(Command(verb="promote")) == "resumed"
    assert not control.take_skip()
    control.obey(Command(verb="promote"))
    assert control.take_skip()
    assert not control.take_skip()
    control.obey(Command(verb="promote", full=True))
    assert control.take_skip()
    assert control.take_skip()
