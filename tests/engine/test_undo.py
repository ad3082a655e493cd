"""The way back as a pure function, iterated over a tiny model of the world."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, strategies as st

from fairdeploy.engine.decide import (
    Done,
    Effect,
    Ensure,
    Forget,
    Quiesce,
    Remove,
    Route,
    Situation,
    Wait,
    decide,
)
from fairdeploy.engine.history import History
from fairdeploy.engine.undo import next_undo
from fairdeploy.engine.world import Seen
from fairdeploy.model import (
    AwaitReady,
    Base,
    Deployment,
    Drain,
    Instance,
    Intended,
    Plan,
    Promote,
    Retire,
    Revision,
    Routes,
    Scale,
    Settled,
    Shift,
    Split,
    Start,
    Step,
    Traffic,
    UndoPolicy,
)
from tests.engine.simulated import ONE, SHOP, TWO

OLD, NEW, STRANGER = ONE.revision, TWO.revision, "stranger-1"
_MOST = 20
"""Steps within which every way back must have ended."""


@dataclass
class Model:
    """A world in which every effect comes about at once."""

    instances: list[Instance]
    stable: str | None
    written: Routes | None = None
    born: int = 100
    stopped_busy: bool = False

    def look(self) -> Seen:
        """Return what is seen of it."""
        ids = dict.fromkeys(i.revision for i in self.instances)
        revisions = tuple(
            Revision(
                r,
                replicas=sum(i.revision == r and not i.quiescing for i in self.instances),
                instances=tuple(i for i in self.instances if i.revision == r),
            )
            for r in ids
        )
        split = self.written.split if self.written else None
        traffic = Traffic(
            written=self.written,
            acknowledged=self.written is not None,
            healthy=frozenset(
                m.instance for p in (self.written.pools if self.written else ()) for m in p.members
            ),
            in_flight={},
            streams=0,
        )
        deployment = Deployment(SHOP.id, revisions=revisions, stable=self.stable, split=split)
        return Seen(deployment=deployment, traffic=traffic)

    def apply(self, effect: Effect) -> None:
        """Let an effect come about."""
        match effect:
            case Ensure():
                self._stop({i.id for i in self.instances if i.id in effect.drained})
                active = [i for i in self.instances if i.revision == effect.revision and not i.quiescing]
                for _ in range(effect.replicas - len(active)):
                    self.born += 1
                    self.instances.append(ready(self.born, effect.revision))
            case Quiesce():
                self.instances = [
                    replace(i, quiescing=i.quiescing or i.id in effect.instances) for i in self.instances
                ]
            case Remove():
                self._stop({i.id for i in self.instances if i.revision == effect.revision})
            case Route():
                self.written = effect.routes
            case Forget():
                self.written = None
            case _:
                raise TypeError(effect)

    def _stop(self, ids: set[str]) -> None:
        serving = {
            m.instance
            for pool in (self.written.pools if self.written else ())
            if self.written and self.written.split and self.written.split.share(pool.revision)
            for m in pool.members
        }
        self.stopped_busy = self.stopped_busy or bool(ids & serving)
        self.instances = [i for i in self.instances if i.id not in ids]


def ready(number: int, revision: str, *, quiescing: bool = False) -> Instance:
    """Return an instance that answers."""
    return Instance(
        f"i{number}",
        revision=revision,
        address=f"h:{number}",
        ready=True,
        state="running",
        quiescing=quiescing,
    )


def plan_of(base: Base, *, exclusive: bool) -> Plan:
    """Return a plan with every kind of step that the way back must know of."""
    steps: tuple[Step, ...] = (
        Start("start", target=SHOP.id, revision=NEW, replicas=2),
        AwaitReady("ready", target=SHOP.id, revision=NEW),
        Shift(
            "half",
            target=SHOP.id,
            split=Split({NEW: 5_000, base.stable or NEW: 5_000} if base.stable else {NEW: 10_000}),
        ),
        Drain("drain", target=SHOP.id, revision=base.stable or NEW, keep=1),
        Scale("shrink", target=SHOP.id, revision=base.stable or NEW, replicas=1),
        Shift("all", target=SHOP.id, split=Split.all_to(NEW)),
        Promote("promote", targets=((SHOP.id, NEW),)),
        Retire("retire", target=SHOP.id, revision=base.stable or OLD),
    )
    return Plan(
        "test",
        bases=(base,),
        releases={OLD: ONE, NEW: TWO},
        steps=steps,
        undo=UndoPolicy(exclusive=exclusive),
    )


def go_back(history: History, model: Model, *, forget: frozenset[int] = frozenset()) -> list[Step]:
    """Go back until nothing is left; some steps are not recorded as settled, as if their program had died."""
    done: list[Step] = []
    while (step := next_undo(history, {SHOP.id: model.look()})) is not None:
        assert len(done) < _MOST, f"no end: {done}"
        history.add(Intended(step=step.id, phase="undo", undo=step))
        base = history.plan.bases[0]
        for _ in range(_MOST):
            rule = step if isinstance(step, Shift) else history.rule(SHOP.id)
            situation = Situation(plan=history.plan, base=base, rule=rule, backwards=True)
            decision = decide(step, situation, model.look())  # type: ignore[arg-type]  # undo has observable steps only
            if isinstance(decision, (Done, Wait)):
                break
            model.apply(decision)  # type: ignore[arg-type]  # nothing fails in the model
        else:
            raise AssertionError(f"{step} never settles")
        if len(done) not in forget:
            history.add(Settled(step=step.id, phase="undo"))
        done.append(step)
    return done


def standing(olds: int, going: int, news: int, strangers: int) -> list[Instance]:
    """Return so many instances of each kind; those that go are stable's."""
    return (
        [ready(n, OLD) for n in range(olds)]
        + [ready(20 + n, OLD, quiescing=True) for n in range(going)]
        + [ready(40 + n, NEW) for n in range(news)]
        + [ready(60 + n, STRANGER) for n in range(strangers)]
    )


worlds = st.builds(
    standing,
    st.integers(0, 4),
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(0, 2),
)
reached = st.integers(0, 6)
written = st.sampled_from([None, Split.all_to(OLD), Split({OLD: 5_000, NEW: 5_000}), Split.all_to(NEW)])


def begun(base: Base, steps: int, *, exclusive: bool) -> History:
    """Return the history of a rollout that has come so far."""
    history = History(plan_of(base, exclusive=exclusive))
    for step in history.plan.steps[:steps]:
        history.add(Intended(step=step.id))
        history.add(Settled(step=step.id))
    return history


def document(split: Split | None, instances: list[Instance], base: Base) -> Routes | None:
    """Return the document of a split, or none."""
    if split is None:
        return None
    model = Model(instances, base.stable)
    situation = Situation(plan=plan_of(base, exclusive=False), base=base, rule=None, backwards=True)
    route = decide(Shift("s", target=SHOP.id, split=split), situation, model.look())
    assert isinstance(route, Route)
    return route.routes


@given(worlds, reached, written, st.booleans(), st.frozensets(st.integers(0, 6), max_size=2))
def test_every_way_back_ends_at_the_base(
    instances: list[Instance],
    steps: int,
    split: Split | None,
    exclusive: bool,  # noqa: FBT001 - drawn
    forget: frozenset[int],
) -> None:
    """From any state, deaths included: stable has what it had and all traffic, the candidate is gone, strangers stay.

    Instances of stable that others have added stay too, unless the rollout itself has changed their number.
    """
    base = Base(
        SHOP, stable=OLD, candidate=NEW, split=Split.all_to(OLD), replicas=3, revisions=(OLD, STRANGER)
    )
    model = Model(instances, OLD, document(split, instances, base))
    olds = {i.id for i in instances if i.revision == OLD and not i.quiescing}
    strangers = {i.id for i in instances if i.revision == STRANGER}
    done = go_back(begun(base, steps, exclusive=exclusive), model, forget=forget)
    if not steps:
        assert done == []
        return
    ids = {i.id for i in model.instances}
    scaled = steps >= 5
    assert scaled or olds <= ids, "stable was scaled down"
    assert strangers <= ids, "a stranger was stopped"
    assert sum(i.revision == OLD for i in model.instances) == (3 if scaled else max(3, len(olds)))
    assert not any(i.quiescing or i.revision == NEW for i in model.instances)
    assert model.written is not None
    assert model.written.split == Split.all_to(OLD)
    assert not model.stopped_busy, "an instance was stopped while it had traffic"


@pytest.mark.nightly
@pytest.mark.timeout(1_200)
def test_every_way_back_ends_at_the_base_from_all_states() -> None:
    """The same for each of 10,080, without chance and without deaths."""
    check = test_every_way_back_ends_at_the_base.hypothesis.inner_test  # type: ignore[attr-defined]  # hypothesis's
    counts = itertools.product(range(5), range(3), range(4), range(3))
    splits = (None, Split.all_to(OLD), Split({OLD: 5_000, NEW: 5_000}), Split.all_to(NEW))
    for counted, steps, split, exclusive in itertools.product(counts, range(7), splits, (False, True)):
        check(standing(*counted), steps, split, exclusive, frozenset())


@given(worlds, st.integers(1, 3), st.booleans(), st.frozensets(st.integers(0, 6), max_size=2))
def test_a_first_deploy_that_goes_back_leaves_nothing(
    instances: list[Instance],
    steps: int,
    routed: bool,  # noqa: FBT001 - drawn
    forget: frozenset[int],
) -> None:
    """No instance, no router."""
    news = [i for i in instances if i.revision == NEW]
    base = Base(SHOP, candidate=NEW)
    model = Model(news, None, document(Split.all_to(NEW) if routed else None, news, base))
    go_back(begun(base, steps, exclusive=False), model, forget=forget)
    assert model.instances == []
    assert model.written is None
    assert not model.stopped_busy


@given(worlds, reached)
def test_a_candidate_that_was_there_before_stays(instances: list[Instance], steps: int) -> None:
    """A warm revision that a rollback wanted is no candidate to be removed."""
    base = Base(SHOP, stable=OLD, candidate=NEW, split=Split.all_to(OLD), replicas=1, revisions=(OLD, NEW))
    model = Model(instances, OLD, document(Split.all_to(OLD), instances, base))
    news = {i.id for i in instances if i.revision == NEW}
    go_back(begun(base, steps, exclusive=False), model)
    assert news <= {i.id for i in model.instances}


def test_capacity_comes_before_traffic_and_traffic_before_the_candidate() -> None:
    """An abort never leans on an under-scaled stable revision."""
    base = Base(SHOP, stable=OLD, candidate=NEW, split=Split.all_to(OLD), replicas=3, revisions=(OLD,))
    instances = [ready(1, OLD), ready(40, NEW), ready(41, NEW)]
    model = Model(instances, OLD, document(Split.all_to(NEW), instances, base))
    kinds = [step.kind for step in go_back(begun(base, 6, exclusive=False), model)]
    assert kinds == ["start", "await_ready", "shift", "drain", "retire", "shift"]


def test_what_must_not_run_twice_stops_before_stable_starts() -> None:
    """Exclusive: the candidate loses its traffic and is gone before stable is raised."""
    base = Base(SHOP, stable=OLD, candidate=NEW, split=Split.all_to(OLD), replicas=1, revisions=(OLD,))
    instances = [ready(40, NEW)]
    model = Model(instances, OLD, document(Split.all_to(NEW), instances, base))
    steps = go_back(begun(base, 6, exclusive=True), model)
    assert [step.kind for step in steps] == ["shift", "drain", "retire", "start", "await_ready", "shift"]
    assert isinstance(steps[0], Shift)
    assert steps[0].split is None


def test_only_what_must_not_run_twice_is_stopped_first() -> None:
    """Of two targets of one plan, the one that is no singleton has its stable raised before the candidate goes."""
    instances = [ready(40, NEW)]
    kinds = {}
    for single in (False, True):
        base = Base(
            SHOP,
            stable=OLD,
            candidate=NEW,
            split=Split.all_to(OLD),
            replicas=1,
            revisions=(OLD,),
            exclusive=single,
        )
        model = Model(list(instances), OLD, document(Split.all_to(NEW), instances, base))
        kinds[single] = [step.kind for step in go_back(begun(base, 4, exclusive=False), model)]
    assert kinds[False].index("start") < kinds[False].index("retire")
    assert kinds[True].index("retire") < kinds[True].index("start")


def test_what_the_rollout_added_to_stable_is_drained_and_stopped() -> None:
    """An undone scale-up leaves as many instances as there were."""
    base = Base(SHOP, stable=OLD, split=Split.all_to(OLD), replicas=2, revisions=(OLD,))
    plan = Plan("Scale", bases=(base,), steps=(Scale("more", target=SHOP.id, revision=OLD, replicas=4),))
    history = History(plan)
    history.add(Intended(step="more"))
    instances = [ready(number, OLD) for number in range(4)]
    model = Model(instances, OLD, document(Split.all_to(OLD), instances, base))
    kinds = [step.kind for step in go_back(history, model)]
    assert kinds == ["drain", "scale"]
    assert len(model.instances) == 2
    assert not model.stopped_busy


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_rollout_that_only_waited_has_nothing_to_undo(*, exclusive: bool) -> None:
    """Nothing was started, so nothing is stopped, and no traffic is touched."""
    base = Base(SHOP, stable=OLD, candidate=NEW, split=Split.all_to(OLD), replicas=1, revisions=(OLD,))
    history = History(plan_of(base, exclusive=exclusive))
    instances = [ready(1, OLD)]
    model = Model(instances, OLD, document(Split.all_to(OLD), instances, base))
    history.add(Intended(step="ready"))
    assert go_back(history, model) == []
