"""What must hold after every event of a simulated run, beside what the world itself watches.

The world watches its own instances: I1 (no weight without capacity) and I2 (nothing busy is
stopped) are found as they happen. An `Audit` stands beside the journal and sees what was promised
there: I3 to I8, of the list in the design. It knows nothing of the engine, so that it cannot share
its mistakes.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, final

from fairdeploy.model import (
    Action,
    BoundCheck,
    CheckResult,
    Ended,
    ErrorRate,
    Intended,
    Judged,
    Latency,
    Outcome,
    Promote,
    RunJob,
    Split,
    Undoing,
    Verdict,
)

if TYPE_CHECKING:
    from fairdeploy.errors import RecordError
    from fairdeploy.model import (
        Base,
        Event,
        Guard,
        Plan,
        Record,
        RolloutId,
        RolloutResult,
        Step,
        TargetId,
        Unfenced,
    )
    from fairdeploy.protocols import HealthCheck, Journal, Lease, RolloutInfo, Subject
    from fairdeploy.testing.simulation import Effect, World

__all__ = ["Audit"]

_TRACE = 200


@final
@dataclass(slots=True)
class _Story:
    """What the journal has said of one rollout."""

    plan: Plan
    intended: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    at_promotion: dict[str, Verdict] | None = None
    undoing: bool = False
    last_at: float = 0.0

    @property
    def touched(self) -> set[TargetId]:
        steps = [self.plan.step(step) for step in self.intended]
        return {target for step in steps for target in _targets(step)}

    @property
    def promoting(self) -> bool:
        return self.at_promotion is not None


def _targets(step: Step) -> tuple[TargetId, ...]:
    return tuple(target for target, _ in step.targets) if isinstance(step, Promote) else (step.target,)


@final
class Audit:
    """Watches a world and the journal of those who act in it.

    Give every program the journal that `watched` returns. Then `complaints` holds each breach
    as a sentence that begins with the invariant's name, and `trace` what led to it.

    Args:
        world: What they act on. Its hook is taken.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._stories: dict[RolloutId, _Story] = {}
        self._answers: dict[str, Verdict] = {}
        self._epochs: dict[tuple[TargetId, str], int] = {}
        self._acting: dict[TargetId, list[RolloutId]] = {}
        self._jobs: Counter[tuple[RolloutId, TargetId, str]] = Counter()
        self._log: deque[tuple[float, tuple[object, ...]]] = deque(maxlen=_TRACE)
        self._broken: list[str] = []
        world.hook = self._around

    @property
    def complaints(self) -> list[str]:
        """Every breach so far, those that the world has found included."""
        return [*self._world.violations, *self._broken]

    @property
    def promotions(self) -> int:
        """How many rollouts have passed their point of no return."""
        return sum(story.promoting for story in self._stories.values())

    def trace(self, lines: int = 20) -> str:
        """Return what happened last, effects and records in order, one line each."""
        last = list(self._log)[-lines:]
        return "\n".join(f"{at:9.3f} {' '.join(str(word) for word in words)}" for at, words in last)

    def note(self, *words: object) -> None:
        """Add a line to the trace: what somebody else did. Written out only when it is read."""
        self._log.append((self._world.clock.monotonic(), words))

    def watched(self, journal: Journal) -> Journal:
        """Return the journal with this audit beside it."""
        return _Watched(journal, self)

    def asked(self, name: str, check: HealthCheck) -> HealthCheck:
        """Return a check whose answers this audit knows, to be bound by this name."""

        async def ask(subject: Subject, /) -> CheckResult:
            self._answers[name] = Verdict.ERROR  # what an exception means
            result = await check(subject)
            self._answers[name] = Verdict(result.verdict)
            return result

        return ask

    # Effects.

    def _around(self, when: Literal["before", "after"], effect: Effect) -> None:
        if when == "before":
            return
        self.note(effect.name, effect.key, f"(epoch {effect.epoch})", effect.detail)
        # Backend and router keep their epochs apart: one may not know yet what the other knows.
        part = (effect.target, effect.name.partition(".")[0])
        newest = self._epochs.get(part, 0)
        if effect.epoch < newest:
            self._complain(f"I4: {effect.name} of epoch {effect.epoch} was applied after one of {newest}")
        self._epochs[part] = max(newest, effect.epoch)
        rollout = effect.key.partition(":")[0]
        acting = self._acting.setdefault(effect.target, [])
        if rollout in acting[:-1]:
            self._complain(f"I7: rollout {rollout!r} acts on {effect.target!r} again, after {acting[-1]!r}")
        elif rollout not in acting:
            acting.append(rollout)
        if effect.name == "backend.execute" and effect.changed:
            self._started(rollout, effect)

    def _started(self, rollout: RolloutId, effect: Effect) -> None:
        """A job is started as often as the plan says, whatever key it is started under."""
        started = (rollout, effect.target, effect.detail)
        self._jobs[started] += 1
        steps = [s for s in self._stories[rollout].plan.steps if isinstance(s, RunJob)]
        mine = [s for s in steps if s.target == effect.target]
        planned = sum(effect.detail.startswith(f"{s.job.name} on {s.revision} ") for s in mine)
        if self._jobs[started] > planned:
            self._complain(f"I6: {effect.detail!r} was started {self._jobs[started]} times by {rollout!r}")

    # Records.

    def begun(self, rollout: RolloutId, plan: Plan) -> None:
        """Take in that a rollout was begun."""
        self._stories[rollout] = _Story(plan)
        self.note(rollout, "begins:", plan.strategy)

    def written(self, rollout: RolloutId, record: Record) -> None:
        """Take in a record that is durable now."""
        story = self._stories[rollout]
        self.note(rollout, record)
        if not isinstance(record, Ended):
            story.last_at = self._world.clock.monotonic()
        match record:
            case Intended(phase="do"):
                self._intended(rollout, story, record.step)
            case Undoing():
                story.undoing = True
                if story.promoting:
                    self._complain(f"I6: {rollout!r} goes back after its promotion was intended")
            case Judged():
                self._judged(story, record)
            case Ended():
                self._ended(rollout, story, record.result)
            case _:
                pass

    def _intended(self, rollout: RolloutId, story: _Story, step_id: str) -> None:
        story.intended.append(step_id)
        if not isinstance(story.plan.step(step_id), Promote) or story.promoting:
            return
        story.at_promotion = dict(story.verdicts)
        if story.undoing:
            self._complain(f"I6: {rollout!r} promotes though it is on its way back")
        for guard in story.plan.guards:
            verdict = story.verdicts.get(guard.id, Verdict.NO_DATA)
            if guard.on[verdict] is Action.ROLLBACK:
                self._complain(f"I3: {rollout!r} promotes though {guard.id!r} says {verdict}")

    def _judged(self, story: _Story, record: Judged) -> None:
        story.verdicts[record.guard] = record.verdict
        guard = next((each for each in story.plan.guards if each.id == record.guard), None)
        if guard is not None and record.verdict in {Verdict.PASS, Verdict.FAIL}:
            self._grounded(guard, record.verdict)

    def _grounded(self, guard: Guard, verdict: Verdict) -> None:
        """A pass, or a fail, is what somebody has said or counted."""
        if isinstance(guard.check, BoundCheck):
            answer = self._answers.get(guard.check.name, Verdict.NO_DATA)
            if answer is not verdict:
                self._complain(f"I3: {guard.id!r} is {verdict}, but the check said {answer}")
        elif isinstance(guard.check, ErrorRate | Latency):
            counted = self._world.place(guard.target).flow.counters().get(guard.candidate)
            requests = counted.requests if counted else 0
            if requests < guard.check.min_requests:
                self._complain(f"I3: {guard.id!r} is {verdict} on {requests} requests")

    def _ended(self, rollout: RolloutId, story: _Story, result: RolloutResult) -> None:
        if result.outcome is Outcome.NEEDS_ATTENTION or not story.intended:
            return
        point = story.plan.point_of_no_return
        promotes = point is not None
        if promotes and result.promoted is not story.promoting:
            self._complain(f"I6: {rollout!r} ended {result.outcome}, promotion intended: {story.promoting}")
        if result.promoted:
            self._policy(rollout, story, result.policy)
        # A target where nothing was to be changed is not promoted with the others.
        promoted = {target for target, _ in point.targets} if point is not None else set()
        for base in story.plan.bases:
            if not result.promoted:
                self._is_back(rollout, story, base)
            elif base.target.id in promoted:
                self._is_promoted(rollout, base)

    def _policy(self, rollout: RolloutId, story: _Story, policy: str) -> None:
        verdicts = story.verdicts if story.at_promotion is None else story.at_promotion
        undecided = [g.id for g in story.plan.guards if verdicts.get(g.id) is not Verdict.PASS]
        if policy == "pass" and undecided:
            self._complain(f"I3: {rollout!r} promoted by 'pass', but {undecided} had not passed")
        if not policy or any(guard not in policy for guard in undecided):
            self._complain(f"I3: {rollout!r} promoted by {policy!r}, which does not name {undecided}")

    def _is_promoted(self, rollout: RolloutId, base: Base) -> None:
        place, now = self._world.place(base.target.id), self._world.now()
        if place.stable != base.candidate:
            self._complain(f"I8: {rollout!r} promoted {base.candidate!r}, but {place.stable!r} is stable")
        if base.target.endpoint is not None and base.candidate is not None:
            served = place.served(now)
            if served is None or served.split != Split.all_to(base.candidate):
                self._complain(
                    f"I8: {rollout!r} promoted while the router serves by {served and served.split}"
                )
        if not any(machine.ready(now) for machine in place.running(base.candidate)):
            self._complain(f"I8: {rollout!r} promoted, and no instance of {base.candidate!r} is ready")

    def _is_back(self, rollout: RolloutId, story: _Story, base: Base) -> None:
        place, now = self._world.place(base.target.id), self._world.now()
        if place.stable != base.stable:
            self._complain(f"I5: {rollout!r} went back, but {place.stable!r} is stable, not {base.stable!r}")
        if base.target.endpoint is not None:
            served = place.served(now)
            split = served.split if served else None
            if split != base.split:
                self._complain(
                    f"I5: {rollout!r} went back, but the router serves by {split}, not {base.split}"
                )
        # What dies after the last look at it is nobody's fault, nor what died where nothing was done.
        gone = [m for m in place.machines.values() if m.lost and m.stopped_at >= story.last_at]
        left = len(place.running(base.stable)) + len(gone)
        if base.stable and base.target.id in story.touched and left < base.replicas:
            self._complain(f"I5: {rollout!r} went back, but stable is short of {base.replicas} instances")
        ours = base.candidate not in {None, base.stable, *base.revisions}
        if ours and place.running(base.candidate):
            self._complain(f"I5: {rollout!r} went back and left {base.candidate!r} running")

    def _complain(self, sentence: str) -> None:
        self._broken.append(sentence)
        self.note("BROKEN", sentence)


@final
class _Watched:
    """A journal with an audit beside it."""

    def __init__(self, journal: Journal, audit: Audit) -> None:
        self._journal = journal
        self._audit = audit

    @property
    def key(self) -> bytes:
        return self._journal.key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        lease = await self._journal.begin(rollout, plan, holder, ttl_ms)
        self._audit.begun(rollout, plan)
        return lease

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        lease = await self._journal.take(rollout, holder, ttl_ms, reason=reason, dead=dead)
        self._audit.note(f"{rollout} is taken over: {reason} (epoch {lease.epoch})")
        return lease

    async def renew(self, lease: Lease) -> Lease:
        return await self._journal.renew(lease)

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        seq = await self._journal.append(lease, *records, end=end)
        for record in records:
            self._audit.written(lease.rollout, record)
        return seq

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        seq = await self._journal.send(rollout, record)
        self._audit.note(rollout, "is sent", record)
        return seq

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        return await self._journal.read(rollout, since=since)

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        return await self._journal.rollouts(target, unfinished=unfinished, damaged=damaged)
