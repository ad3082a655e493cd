"""Ask all that a deployment's health depends on, at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.errors import FairdeployError, InvalidInput
from fairdeploy.health.check import fault, run_check
from fairdeploy.health.clock import LoopClock
from fairdeploy.health.rule import Duration, HealthRule
from fairdeploy.health.standing import Standing
from fairdeploy.model import CheckResult, HealthStatus, Target, Verdict, _check
from fairdeploy.model.check import is_data
from fairdeploy.protocols import Subject

if TYPE_CHECKING:
    from fairdeploy.model import Asked
    from fairdeploy.protocols import Backend, Clock, HealthCheck

__all__ = ["HealthChecker"]

_MOST_STANDINGS = 100_000
"""Checks times revisions that are remembered; beyond that the oldest are forgotten."""


@final
class HealthChecker:
    """Asks every check at once, each with its own deadline and all with one, and remembers their answers.

    Args:
        checks: By name: data such as `model.HTTPCheck`, any async callable, or a `HealthRule` around
            either. A `model.BoundCheck` names a callable among them.
        target: Whose health; needed with ``backend``.
        backend: Tells the instances of the target's stable revision, for checks of scope ``revision``.
        deadline: For all answers together; one that is not there by then is an ``error``. Default 30 s.
        at_once: Most checks under way, 1 to 10,000. Default 100: they share one event loop, where the
            time of each counts against the deadlines of all.
        clock: For delays, caches and the timestamp. Default: this machine's.

    Raises:
        InvalidInput: If there is no check, or a value is out of range.

    Example:
        >>> from fairdeploy import HealthChecker, TCPCheck
        >>> checker = HealthChecker({"database": TCPCheck("127.0.0.1:5432", scope="shared")})
        >>> sorted(checker.rules)
        ['database']
    """

    def __init__(
        self,
        checks: Mapping[str, Asked | HealthCheck | HealthRule],
        *,
        target: Target | None = None,
        backend: Backend | None = None,
        deadline: Duration = timedelta(seconds=30),
        at_once: int = 100,
        clock: Clock | None = None,
    ) -> None:
        _check.mapping(checks, "checks", "{'api': HTTPCheck('/health')}")
        if not checks:
            raise InvalidInput("a HealthChecker needs checks: HealthChecker({'api': HTTPCheck('/health')})")
        if backend is not None and target is None:
            raise InvalidInput("a HealthChecker with a backend needs a target: target=Target('shop')")
        self.rules: Mapping[str, HealthRule] = {
            name: check if isinstance(check, HealthRule) else HealthRule(check)
            for name, check in checks.items()
        }
        self._bound = {name: rule.check for name, rule in self.rules.items() if not is_data(rule.check)}
        self._target, self._backend = target, backend
        self._deadline = _check.milliseconds(deadline, "deadline", low=10) / 1000
        self._at_once = _check.whole(at_once, "at_once", low=1, high=10_000)
        self._clock: Clock = clock or LoopClock()
        self._standings: dict[tuple[str, str, str], Standing] = {}

    async def check_deployment_health(self, subject: Subject | None = None) -> HealthStatus:
        """Ask every check once, and return what all of them stand at.

        It raises nothing for what is not well: a check that raises, or a backend that cannot
        be observed, is the verdict ``error``.

        Args:
            subject: About what; ``None``: the stable revision that the backend tells.

        Raises:
            InvalidInput: If a check asks instances, and neither subject nor backend tells any.
        """
        self._refuse_without(subject)
        results: dict[str, CheckResult] = {}
        about = _About(subject or Subject(target=self._target or Target("deployment")))
        with anyio.move_on_after(self._deadline):
            if subject is None:
                about = await self._observed(about)
            limit = anyio.CapacityLimiter(self._at_once)
            async with anyio.create_task_group() as tasks:
                for name in self.rules:
                    tasks.start_soon(self._look, name, about, limit, results)
        for name in self.rules:
            if name not in results:
                late = CheckResult(Verdict.ERROR, f"no answer within the {self._deadline:g} s for all checks")
                results[name] = self._take(name, about.subject, late)
        return HealthStatus(
            healthy=all(results[name].healthy for name, rule in self.rules.items() if rule.required),
            checks={name: results[name] for name in self.rules},
            timestamp=datetime.fromtimestamp(self._clock.wall(), UTC),
            advisory=frozenset(name for name, rule in self.rules.items() if not rule.required),
        )

    def _refuse_without(self, subject: Subject | None) -> None:
        if subject is not None or self._backend is not None:
            return
        asks = next((name for name, rule in self.rules.items() if rule.scope == "revision"), None)
        if asks is not None:
            raise InvalidInput(
                f"check {asks!r} asks instances: give HealthChecker(..., target=..., backend=...), or a subject"
            )

    async def _observed(self, about: _About) -> _About:
        if self._backend is None:
            return about
        target = about.subject.target
        try:
            seen = await self._backend.observe(target)
        except FairdeployError as error:
            return replace(about, trouble=CheckResult(Verdict.ERROR, str(error)))
        stable = None if seen.stable is None else seen.revision(seen.stable)
        if stable is None:
            return replace(about, trouble=CheckResult(Verdict.FAIL, f"{target.id!r} has no stable revision"))
        return _About(Subject(target=target, revision=stable.id, instances=stable.active))

    async def _look(
        self, name: str, about: _About, limit: anyio.CapacityLimiter, results: dict[str, CheckResult]
    ) -> None:
        rule, standing = self.rules[name], self._standing(name, about.subject)
        waits = standing.since + _seconds(rule.initial_delay) - self._clock.monotonic()
        if waits > 0:
            results[name] = CheckResult(Verdict.INCONCLUSIVE, f"is asked for the first time in {waits:g} s")
            return
        cache = _seconds(rule.cache)
        # Who would take the same answer waits for it.
        async with standing.asking if cache else nullcontext(), limit:
            now = self._clock.monotonic()
            if standing.last is not None and now - standing.at < cache:
                results[name] = standing.last
                return
            result = await self._ask(rule, about)
            took = round(1000 * (self._clock.monotonic() - now))
            results[name] = self._take(name, about.subject, replace(result, took_ms=took))

    async def _ask(self, rule: HealthRule, about: _About) -> CheckResult:
        if about.trouble is not None and rule.scope == "revision":
            return about.trouble
        seconds = None if rule.timeout is None else _seconds(rule.timeout)
        try:
            with anyio.fail_after(seconds):
                if is_data(rule.check):
                    result = await run_check(rule.check, about.subject, bound=self._bound)
                else:
                    result = await rule.check(about.subject)
        except TimeoutError:
            return CheckResult(Verdict.ERROR, f"no answer within {seconds:g} s")
        except Exception as error:  # noqa: BLE001 -- a check is anybody's code: whatever it raises is no evidence
            return fault(error)
        if not isinstance(result, CheckResult):
            return CheckResult(
                Verdict.ERROR, f"the check returned a {type(result).__name__}, not a CheckResult"
            )
        return result

    def _take(self, name: str, subject: Subject, result: CheckResult) -> CheckResult:
        rule = self.rules[name]
        return self._standing(name, subject).take(
            result, successes=rule.successes, failures=rule.failures, now=self._clock.monotonic()
        )

    def _standing(self, name: str, subject: Subject) -> Standing:
        """Return what a check stands at; what all revisions share stands at one thing for all of them."""
        shared = self.rules[name].scope == "shared"
        key = (name, str(subject.target.id), "" if shared else str(subject.revision))
        found = self._standings.get(key)
        if found is None:
            while len(self._standings) >= _MOST_STANDINGS:
                del self._standings[next(iter(self._standings))]
            found = self._standings[key] = Standing(self._clock.monotonic())
        return found


@final
@dataclass(frozen=True, slots=True)
class _About:
    """Who is asked, or why nobody can be."""

    subject: Subject
    trouble: CheckResult | None = None


def _seconds(value: Duration) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
