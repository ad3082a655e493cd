"""One rollback, step by step, and what is done if a step fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, final

from fairdeploy.engine.going_back import aborted
from fairdeploy.engine.holder import who
from fairdeploy.engine.holds import hold_rollout
from fairdeploy.engine.versions import verified
from fairdeploy.errors import FairdeployError, RollbackError
from fairdeploy.model import Freeze, Noted, Outcome
from fairdeploy.rollback.asking import checker_of, convicted
from fairdeploy.rollback.capturing import captured, looked_at
from fairdeploy.rollback.carrying import DATABASE_ROLLBACK, acted, back_together, carried
from fairdeploy.rollback.report import Deed, RollbackReport

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.model import DatabaseStep, DeploymentState, RevisionId, RolloutResult, Target
    from fairdeploy.protocols import Backend, RolloutInfo
    from fairdeploy.rollback.emergency import Emergency
    from fairdeploy.rollback.ladder import Way
    from fairdeploy.rollback.managed import OnAhead

__all__ = ["Journey", "Leg"]


@final
@dataclass(frozen=True, slots=True)
class Leg:
    """One of the targets that go back together.

    Args:
        target: Where.
        backend: Its backend's name.
        to: The revision to go back to; ``None``: what is under way goes back to its base.
    """

    target: Target
    backend: str
    to: RevisionId | None


@final
@dataclass(slots=True, kw_only=True)
class Journey:
    """A rollback under way.

    Args:
        desk: What to act with.
        info: What is gone back from.
        legs: Where.
        ways: How the databases go back that are newer than the code.
        on_ahead: What follows for these.
        accept: The digest of a loss that is agreed to.
        emergency: What follows if a step fails.
        reason: For the record.
        hold: Whether the targets are on hold from now on.
    """

    desk: Desk
    info: RolloutInfo
    legs: Sequence[Leg]
    ways: tuple[Way, ...]
    on_ahead: OnAhead
    accept: str
    emergency: Emergency
    reason: str
    hold: bool
    deeds: list[Deed] = field(default_factory=list)
    urgent: list[Deed] = field(default_factory=list)
    result: RolloutResult | None = None

    async def go(self) -> RollbackReport:
        """Go back; every failure of a step is told in the report."""
        place = self._place(self.legs[0])
        before = await self._captured("before the rollback")
        self.deeds.append(Deed("capture state", ok=True))
        under_way = self.info.open and self.legs[0].to is None
        went = await self._try("go back", self._stopped if under_way else partial(self._back, self.legs))
        good = went and self._followed()
        if under_way and went:
            good = await self._databases()
        for leg in self.legs:
            good = good and await self._try(
                _named("verify health", leg, self.legs), partial(self._healthy, leg)
            )
        if not good:
            await self._in_emergency(went=went)
        after = await self._captured("after the rollback")
        attention = not good or (bool(self.ways) and self.on_ahead == "freeze")
        report = RollbackReport(
            deployment=self.info.id,
            outcome="needs_attention" if attention else "rolled_back",
            before=before,
            after=after,
            deeds=tuple(self.deeds),
            emergency=tuple(self.urgent),
            result=self.result,
        )
        note = Noted(topic="emergency" if attention else "rollback", message=str(report), by=who())
        await place.journal.send(self.info.id, note)
        return report

    def _place(self, leg: Leg) -> Backend:
        return self.desk.backend(leg.backend)

    async def _captured(self, label: str) -> tuple[DeploymentState, ...]:
        states = []
        for leg in self.legs:
            place = self._place(leg)
            state = await looked_at(place, leg.target, self.desk.databases, self.desk.clock)
            await captured(place, self.info.id, state, label)
            states.append(state)
        return tuple(states)

    async def _try(
        self, name: str, deed: Callable[[], Awaitable[str | None]], *, urgent: bool = False
    ) -> bool:
        done = self.urgent if urgent else self.deeds
        try:
            detail = await deed()
        except FairdeployError as error:
            done.append(Deed(name, ok=False, detail=str(error)))
            return False
        done.append(Deed(name, ok=True, detail=detail or ""))
        return True

    async def _hold(self) -> None:
        """Hold the targets, if nothing has begun that holds them."""
        if self.hold and not any(deed.name == "hold" for deed in self.deeds):
            await hold_rollout(self._place(self.legs[0]).journal, self.info.id, self._why)
            self._held()

    def _held(self) -> None:
        if self.hold:
            self.deeds.append(Deed("hold", ok=True, detail="nothing new until release_hold"))

    @property
    def _why(self) -> str:
        return self.reason or "rolled back"

    async def _stopped(self) -> str:
        """Send what is under way back to its base, with what its own plan did to databases.

        Raises:
            RollbackError: If that did not reach its end.
        """
        first = self.legs[0]
        ended = await aborted(
            self.desk, first.target, reason=self._why, backend=first.backend, hold=self.hold
        )
        if ended is not None:
            self._held()
        if ended is None or ended.promoted or ended.outcome is Outcome.NEEDS_ATTENTION:
            raise RollbackError(
                f"rollout {self.info.id!r} could not be stopped: {ended or 'it has just ended'}"
            )
        self.result = ended
        return str(ended.reason)

    async def _back(self, legs: Sequence[Leg], *, alone: bool = False) -> str:
        """Take the targets back together.

        Raises:
            RollbackError: If what is wanted does not serve in the end.
        """
        plan = await back_together(
            self.desk,
            [(leg.target, leg.backend, leg.to) for leg in legs],
            () if alone else self.ways,
            reason=self.reason,
            on_ahead=self.on_ahead,
            accept=self.accept,
        )
        if self.hold and not alone:
            plan = replace(plan, hold=self._why)
        self.result, _ = await carried(self.desk, plan)
        if not alone:
            self._held()
        if not self.result.promoted:
            # The application may be back all the same, and a database not.
            for base in plan.bases:
                now = await self.desk.observe(base)
                if now.stable != (base.candidate or base.stable):
                    where = ", ".join(repr(leg.target.id) for leg in legs)
                    raise RollbackError(f"rollback of {where} to {base.candidate!r} failed: {self.result}")
        return str(self.result.reason)

    def _followed(self) -> bool:
        """Tell what became of the databases that went back in the same plan."""
        good = self.result is None or self.result.promoted
        words = {"freeze": "freeze", "back": "take back"}
        for way in self.ways if self.on_ahead in words else ():
            said = [
                line for line in (self.result.evidence if self.result else ()) if f"{way.database!r}" in line
            ]
            ok = good or (
                self.on_ahead == "freeze" and any("until a person has decided" in line for line in said)
            )
            detail = "; ".join(said) or str(way)
            self.deeds.append(Deed(f"{words[self.on_ahead]} database {way.database}", ok=ok, detail=detail))
        return all(deed.ok for deed in self.deeds)

    async def _databases(self) -> bool:
        """Follow with the databases, where the application went back by the end of its own rollout."""
        good, leg = True, self.legs[0]
        for way in self.ways:
            steps: list[DatabaseStep] = [way.frozen(leg.target.id)] if self.on_ahead == "freeze" else []
            if self.on_ahead == "back":
                steps = way.steps(leg.target.id, accept=self.accept)
            if steps:
                good &= await self._try(
                    f"{self.on_ahead} database {way.database}", partial(self._act, leg, steps)
                )
        return good

    async def _act(self, leg: Leg, steps: Sequence[DatabaseStep], verb: str = DATABASE_ROLLBACK) -> str:
        return (await acted(self.desk, leg.target, leg.backend, steps, verb=verb)).reason

    async def _healthy(self, leg: Leg) -> str:
        """Ask the checks of what serves now.

        Raises:
            RollbackError: If it is not well.
        """
        checker = checker_of(self.desk, self._place(leg), leg.target, None)
        if checker is None:
            return "no checks to ask"
        status = await checker.check_deployment_health()
        if found := convicted(checker, status):
            raise RollbackError(f"what serves {leg.target.id!r} now is not well: {'; '.join(found)}")
        if not status.healthy:
            return f"not all could be told: {status}"
        return "every check passes"

    async def _in_emergency(self, *, went: bool) -> None:
        first = self.legs[0]
        await self._hold()
        for name in self.desk.databases if self.emergency.freeze else ():
            step = Freeze("freeze", target=first.target.id, database=name)
            await self._try(
                f"freeze database {name}", partial(self._act, first, [step], "Freeze"), urgent=True
            )
        if went and self.emergency.to is None:
            return
        if len(self.legs) > 1:
            said = "what was deployed together is not taken apart unattended: name the version, with to=..."
            self.urgent.append(Deed("best known good", ok=False, detail=said))
            return
        for wanted in await self._known_good(first):
            leg = Leg(first.target, first.backend, wanted)
            if await self._try(
                f"best known good {wanted}", partial(self._back, [leg], alone=True), urgent=True
            ):
                return

    async def _known_good(self, leg: Leg) -> list[str]:
        named = [self.emergency.to] if self.emergency.to is not None else []
        if not self.emergency.best_known_good:
            return named
        place = self._place(leg)
        line = verified(leg.target.id, await place.journal.rollouts(leg.target.id))
        stable = (await place.observe(leg.target)).stable
        earlier = line[: line.index(stable)] if stable in line else line
        return named + [revision for revision in reversed(earlier) if revision != leg.to]


def _named(deed: str, leg: Leg, legs: Sequence[Leg]) -> str:
    return deed if len(legs) == 1 else f"{deed} of {leg.target.id}"
