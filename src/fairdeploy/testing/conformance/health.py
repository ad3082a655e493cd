"""What every health check must do, whatever it asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Literal, TypeAlias

import anyio
import pytest

from fairdeploy.model import CheckResult, Verdict
from fairdeploy.protocols import HealthCheck, Subject
from fairdeploy.testing.conformance.suite import Conformance, expect

__all__ = ["Condition", "HealthCheckConformance", "Subjects"]

Condition: TypeAlias = Literal["well", "unwell", "unclear", "silent"]
"""``well``: must pass. ``unwell``: must fail. ``unclear``: the question cannot be put, or nothing is
known. ``silent``: whoever is asked takes the question and never answers."""

Subjects: TypeAlias = Callable[[Condition], AbstractAsyncContextManager[Subject]]
"""Brings about a condition, and gives who is to be asked."""

_UNDECIDED = frozenset({Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.ERROR})


class HealthCheckConformance(Conformance, suite=True):
    """Standard tests of a `HealthCheck`: derive, and give the fixtures ``check`` and ``subjects``.

    ::

        class TestMine(HealthCheckConformance):
            @pytest.fixture
            def check(self) -> HealthCheck:
                return MyCheck(timeout=1)

            @pytest.fixture
            def subjects(self) -> Subjects:
                return bring_about

    Attributes:
        within: Seconds in which it must answer for a subject that does not: its own time limit, and some.
        crowd: How many ask at the same time.
    """

    within: ClassVar[float] = 20.0
    crowd: ClassVar[int] = 8

    async def _asked(self, check: HealthCheck, subjects: Subjects, condition: Condition) -> CheckResult:
        __tracebackhide__ = True
        async with subjects(condition) as subject:
            with anyio.move_on_after(self.within):
                result = await check(subject)
                expect(isinstance(result, CheckResult), "a check must return a CheckResult", result)
                expect(isinstance(result.verdict, Verdict), "with one of the five verdicts", result)
                return result
        pytest.fail(f"a check must answer within {self.within:g} s, also for a subject that is {condition}")

    async def test_what_is_well_passes(self, check: HealthCheck, subjects: Subjects) -> None:
        """A pass is a pass."""
        result = await self._asked(check, subjects, "well")
        expect(result.verdict is Verdict.PASS, "what is well must pass", result)
        expect(result.healthy, "and be healthy", result)

    async def test_what_is_unwell_fails_and_says_why(self, check: HealthCheck, subjects: Subjects) -> None:
        """A fail is a result with a sentence for people, and no exception."""
        result = await self._asked(check, subjects, "unwell")
        expect(result.verdict is Verdict.FAIL, "what is unwell must fail", result)
        expect(result.message.strip(), "a fail must say why", result)

    async def test_what_is_unclear_is_neither_a_pass_nor_a_fail(
        self, check: HealthCheck, subjects: Subjects
    ) -> None:
        """No data and errors convict nobody, and promote nobody."""
        result = await self._asked(check, subjects, "unclear")
        expect(result.verdict in _UNDECIDED, "what is not known must not be decided", result)
        expect(result.message.strip(), "it must say what is missing", result)

    async def test_silence_ends_in_time_and_never_passes(
        self, check: HealthCheck, subjects: Subjects
    ) -> None:
        """It has a time limit of its own."""
        result = await self._asked(check, subjects, "silent")
        expect(result.verdict is not Verdict.PASS, "no answer must not pass", result)

    async def test_it_can_be_cancelled_while_it_waits(self, check: HealthCheck, subjects: Subjects) -> None:
        """At once: a rollout that goes back does not wait for a check."""
        async with subjects("silent") as subject:
            with anyio.move_on_after(0.05) as scope:
                await check(subject)
            expect(scope.cancelled_caught, "a check that waits must let itself be cancelled", scope)
        result = await self._asked(check, subjects, "well")
        expect(result.verdict is Verdict.PASS, "and must answer as before afterwards", result)

    async def test_it_can_be_asked_by_many_at_once(self, check: HealthCheck, subjects: Subjects) -> None:
        """Each gets its own answer."""
        results: list[CheckResult] = []
        async with subjects("well") as well, subjects("unwell") as unwell:

            async def ask(subject: Subject) -> None:
                results.append(await check(subject))

            with anyio.move_on_after(self.within):
                async with anyio.create_task_group() as tasks:
                    for number in range(self.crowd):
                        tasks.start_soon(ask, (well, unwell)[number % 2])
        verdicts = sorted(result.verdict for result in results)
        wanted = sorted([Verdict.PASS, Verdict.FAIL] * (self.crowd // 2))
        expect(verdicts == wanted, "answers must not be mixed up", verdicts)

    async def test_evidence_can_be_recorded(self, check: HealthCheck, subjects: Subjects) -> None:
        """It is plain JSON, whatever was found."""
        conditions: tuple[Condition, ...] = ("well", "unwell", "unclear")
        for condition in conditions:
            result = await self._asked(check, subjects, condition)
            expect(json.dumps(result.evidence, allow_nan=False), "evidence must be plain JSON", result)
