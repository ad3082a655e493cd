"""What a backend's own validations must do, whatever they look at."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest

from fairdeploy.errors import FairdeployError
from fairdeploy.model import Finding, Release, Severity, Target
from fairdeploy.preflight import built_in
from fairdeploy.protocols import Backend, Scene, Validated, Validation
from fairdeploy.testing.conformance.suite import Conformance, Opened, expect

if TYPE_CHECKING:
    from fairdeploy.model import Deployment

__all__ = ["ValidatedConformance"]


class ValidatedConformance(Conformance, suite=True):
    """Standard tests of a backend that is `Validated`: derive, and give the fixtures ``opened`` and ``good``.

    ::

        class TestMine(ValidatedConformance):
            @pytest.fixture
            def opened(self) -> Opened[Backend]:
                return open_it

            @pytest.fixture
            def good(self) -> Release:
                return Release("1", command=["serve", "--port", "{port}"], probes=...)

    Give the fixture ``bad`` too, with releases that something is wrong with, by the name of the finding that must
    say so, and ``secret``, with what must never be said.

    Attributes:
        rehearses: Whether something of the release is started to be looked at: what says so is left out where a
            scene forbids it.
        slack: Seconds that a look may take longer than its own deadline, which is kept for it.
        abandoned_at: Seconds after which a look is cancelled, to see what it leaves behind.
    """

    rehearses: ClassVar[bool] = False
    abandoned_at: ClassVar[float] = 0.05
    slack: ClassVar[float] = 2.0

    @pytest.fixture
    def target(self) -> Target:
        """Give a target."""
        return Target("conformance")

    @pytest.fixture
    def bad(self) -> dict[str, Release]:
        """Give releases that something is wrong with; none unless you say so."""
        return {}

    @pytest.fixture
    def secret(self) -> str | None:
        """Give a value of the good or a bad release's secrets."""
        return None

    def _all(self, backend: Backend) -> Sequence[Validation]:
        __tracebackhide__ = True
        if isinstance(backend, Validated):
            return backend.validations()
        pytest.fail(f"a validated backend must have the method 'validations'\nseen: {backend!r}")

    async def _looked(self, validation: Validation, scene: Scene) -> Sequence[Finding]:
        __tracebackhide__ = True
        with anyio.move_on_after(validation.deadline + self.slack):
            found = await validation.look(scene)
            strangers = [each for each in found if not isinstance(each, Finding)]
            expect(not strangers, f"{validation.name!r} must return findings", strangers)
            return found
        pytest.fail(f"{validation.name!r} must answer within its deadline of {validation.deadline:g} s")

    async def _found(self, backend: Backend, scene: Scene) -> dict[str, list[Finding]]:
        __tracebackhide__ = True
        return {each.name: list(await self._looked(each, scene)) for each in self._all(backend)}

    async def _found_in_bad(self, backend: Backend, scene: Scene) -> dict[str, list[Finding]]:
        """Look at a release that something is wrong with: what another look cannot find out for it, it may raise."""
        __tracebackhide__ = True
        found: dict[str, list[Finding]] = {}
        for each in self._all(backend):
            with contextlib.suppress(FairdeployError):
                found[each.name] = list(await self._looked(each, scene))
        return found

    # What there is to look at.

    async def test_validations_have_names_of_their_own(self, opened: Opened[Backend]) -> None:
        """No two alike, and none that is built in: ``without`` leaves out by name."""
        async with opened() as backend:
            names = [each.name for each in self._all(backend)]
        expect(names, "there must be something to look at, or no method 'validations'", names)
        twice = sorted({name for name in names if names.count(name) > 1})
        expect(not twice, "each must have a name of its own", twice)
        taken = sorted({each.name for each in built_in.validations()} & set(names))
        expect(not taken, "names of what is built in are taken", taken)

    async def test_asking_what_there_is_does_nothing(self, opened: Opened[Backend], target: Target) -> None:
        """It can be asked again, by another program too, and says the same."""
        async with opened() as backend:
            before = await backend.observe(target)
            said = [[(each.name, each.aspect) for each in self._all(backend)] for _ in range(2)]
            async with opened() as other:
                said.append([(each.name, each.aspect) for each in self._all(other)])
            after = await backend.observe(target)
        expect(said[0] == said[1] == said[2], "the same must be looked at each time", said)
        expect(after == before, "nothing may have changed", (before, after))

    # Looking.

    async def test_a_good_release_is_not_refused(
        self, opened: Opened[Backend], target: Target, good: Release
    ) -> None:
        """And what is found can be recorded: plain JSON."""
        async with opened() as backend:
            found = await self._found(backend, Scene(backend=backend, target=target, release=good))
        each = [finding for findings in found.values() for finding in findings]
        refusing = [finding for finding in each if finding.refuses]
        expect(not refusing, "a good release must not be refused", refusing)
        for finding in each:
            expect(finding.message.strip(), "a finding must say what was seen", finding)
            expect(json.dumps(finding.evidence, allow_nan=False), "evidence must be plain JSON", finding)

    async def test_findings_of_one_look_have_names_of_their_own(
        self, opened: Opened[Backend], target: Target, good: Release
    ) -> None:
        """A report names each once."""
        async with opened() as backend:
            found = await self._found(backend, Scene(backend=backend, target=target, release=good))
        for name, findings in found.items():
            names = [finding.name for finding in findings]
            expect(len(set(names)) == len(names), f"findings of {name!r} must not share a name", names)

    async def test_what_is_wrong_is_found_and_has_a_remedy(
        self, opened: Opened[Backend], target: Target, bad: dict[str, Release]
    ) -> None:
        """As a finding: an exception says only that something could not be found out."""
        if not bad:
            pytest.skip("no release is given that something is wrong with")
        async with opened() as backend:
            for name, release in bad.items():
                found = await self._found_in_bad(
                    backend, Scene(backend=backend, target=target, release=release)
                )
                failed = {
                    each.name: each for findings in found.values() for each in findings if not each.passed
                }
                expect(name in failed, f"{name!r} must be found to be bad", sorted(failed))
                serious = failed[name].severity in {Severity.CRITICAL, Severity.WARNING}
                expect(serious, "what is wrong must be a warning at least", failed[name])
                expect(failed[name].remedy.strip(), "and say what to do", failed[name])

    async def test_looking_changes_nothing(
        self, opened: Opened[Backend], target: Target, good: Release
    ) -> None:
        """Nothing is deployed, scaled, promoted or left behind, whatever was looked at."""
        async with opened() as backend:
            before = await backend.observe(target)
            first = await self._found(backend, Scene(backend=backend, target=target, release=good))
            after = await self._unchanged(backend, target, before)
            again = await self._found(backend, Scene(backend=backend, target=target, release=good))
        expect(after == before, "nothing may have changed", (before, after))
        seen = [
            {
                name: sorted((each.name, each.refuses) for each in findings)
                for name, findings in each_time.items()
            }
            for each_time in (first, again)
        ]
        expect(seen[0] == seen[1], "looking again must find the same", seen)

    async def _unchanged(self, backend: Backend, target: Target, before: Deployment) -> Deployment:
        __tracebackhide__ = True
        return await self.eventually(
            lambda: backend.observe(target), lambda seen: seen == before, "all is as it was before the look"
        )

    async def test_a_look_that_is_cancelled_leaves_nothing(
        self, opened: Opened[Backend], target: Target, good: Release
    ) -> None:
        """A user who gives up, or a deadline."""
        async with opened() as backend:
            before = await backend.observe(target)
            scene = Scene(backend=backend, target=target, release=good)
            for validation in self._all(backend):
                with anyio.move_on_after(self.abandoned_at):
                    await validation.look(scene)
            await self._unchanged(backend, target, before)
            found = await self._found(backend, scene)
        refusing = [each for findings in found.values() for each in findings if each.refuses]
        expect(not refusing, "and what is looked at afterwards must be as good as before", refusing)

    async def test_nothing_is_tried_where_nothing_may_be(
        self, opened: Opened[Backend], target: Target, good: Release
    ) -> None:
        """A scene that forbids a throw-away instance is respected, and is no reason to refuse."""
        if not self.rehearses:
            pytest.skip("it starts nothing to look at it")
        scenes = []
        async with opened() as backend:
            for allowed in (True, False):
                scene = Scene(backend=backend, target=target, release=good, rehearse=allowed)
                scenes.append(await self._found(backend, scene))
        tried, spared = (sum(len(findings) for findings in found.values()) for found in scenes)
        expect(spared < tried, "with rehearse=False less must be looked at", scenes[1])
        refusing = [each for findings in scenes[1].values() for each in findings if each.refuses]
        expect(not refusing, "and nothing refused for it", refusing)

    async def test_no_secret_is_told(
        self,
        opened: Opened[Backend],
        target: Target,
        good: Release,
        bad: dict[str, Release],
        secret: str | None,
    ) -> None:
        """Neither in a message, nor in a remedy, nor in evidence."""
        if secret is None:
            pytest.skip("no secret is given")
        async with opened() as backend:
            for release in (good, *bad.values()):
                found = await self._found_in_bad(
                    backend, Scene(backend=backend, target=target, release=release)
                )
                telling = [
                    each.name
                    for findings in found.values()
                    for each in findings
                    if secret in f"{each.message} {each.remedy} {json.dumps(each.evidence)}"
                ]
                expect(not telling, "a finding must not hold a secret's value", telling)
