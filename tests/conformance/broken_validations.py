"""A toy that looks before anything moves, and the mistakes that people make there. `test_validated.py` runs it."""

# ruff: noqa: D102 -- the class says what is broken in it

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from fairdeploy.model import Aspect, Finding, Instance, Release, Revision, Severity
from fairdeploy.protocols import Backend, Scene, Validation
from fairdeploy.testing.conformance import Opened, ValidatedConformance
from tests.conformance.toy import Shelf, Toy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

KEY = "k3y-of-the-lab"


def _finding(name: str, *, passed: bool, message: str) -> Finding:
    return Finding(
        name,
        aspect=Aspect.CONFIGURATION,
        severity=Severity.CRITICAL,
        passed=passed,
        message=message,
        remedy="" if passed else "give it another",
    )


class Looking(Toy):
    """Looks whether there is a licence, and tries an instance."""

    def validations(self) -> Sequence[Validation]:
        return (
            Validation("licence", aspect=Aspect.CONFIGURATION, look=self.licence, deadline=0.1),
            Validation("trial", aspect=Aspect.CAPACITY, look=self.trial, deadline=5),
        )

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        good = "LICENCE" in scene.release.env
        return [
            _finding(
                "licence", passed=good, message=f"{scene.release.version} has {'a' if good else 'no'} licence"
            )
        ]

    async def trial(self, scene: Scene) -> Sequence[Finding]:
        if not scene.rehearse:
            return []
        known = self.known(scene.target)
        known["trial"] = Revision(
            "trial", replicas=1, instances=(Instance("t", revision="trial", ready=True),)
        )
        try:
            await anyio.sleep(0.02)
        finally:
            del known["trial"]
        return [_finding("trial: ready", passed=True, message="it becomes ready")]


class TwoAlike(Looking):
    """Two validations of one name."""

    def validations(self) -> Sequence[Validation]:
        licence, trial = super().validations()
        return (licence, replace(trial, name="licence"))


class TakesANameThatIsBuiltIn(Looking):
    """Its licence is called as the look at secrets is."""

    def validations(self) -> Sequence[Validation]:
        licence, trial = super().validations()
        return (replace(licence, name="secrets"), trial)


class ActsWhenAsked(Looking):
    """Prepares the trial as soon as it is asked what there is to look at."""

    def validations(self) -> Sequence[Validation]:
        for known in self.shelf.revisions.values():
            known["trial"] = Revision("trial", replicas=0)
        return super().validations()


class RefusesEverything(Looking):
    """No release is good enough."""

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        return [_finding("licence", passed=False, message=f"{scene.release.version} is not trusted")]


class Overlooks(Looking):
    """Finds a licence everywhere."""

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        return [_finding("licence", passed=True, message=f"{scene.release.version} has a licence")]


class Raises(Looking):
    """Raises where it should report."""

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        if "LICENCE" not in scene.release.env:
            raise ValueError(scene.release.version)
        return await super().licence(scene)


class SaysItTwice(Looking):
    """One name for two findings."""

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        return [*await super().licence(scene), *await super().licence(scene)]


class LeavesTheTrial(Looking):
    """The trial instance stays."""

    async def trial(self, scene: Scene) -> Sequence[Finding]:
        found = await super().trial(scene)
        self.known(scene.target)["trial"] = Revision("trial", replicas=0)
        return found


class LeavesTheTrialWhenCancelled(Looking):
    """The trial instance stays if nobody waits for it."""

    async def trial(self, scene: Scene) -> Sequence[Finding]:
        known = self.known(scene.target)
        known["trial"] = Revision("trial", replicas=0)
        await anyio.sleep(0.02)
        del known["trial"]
        return await super().trial(scene)


class TriesAllTheSame(Looking):
    """Starts an instance where none may be."""

    async def trial(self, scene: Scene) -> Sequence[Finding]:
        return await super().trial(replace(scene, rehearse=True))


class TellsTheSecret(Looking):
    """Quotes what it has read."""

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        said = str(scene.release.env.get("LICENCE", ""))
        return [replace(each, message=each.message + said) for each in await super().licence(scene)]


class TakesTooLong(Looking):
    """Does not keep its own deadline."""

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        await anyio.sleep(30)
        return await super().licence(scene)


class ReturnsText(Looking):
    """Says it in a sentence of its own."""

    async def licence(self, scene: Scene) -> Sequence[Finding]:
        return cast("Sequence[Finding]", [f"{scene.release.version} has a licence"])


class _Tried(ValidatedConformance):
    """What is tried of each."""

    rehearses = True
    abandoned_at = 0.005
    patience = 0.2
    slack = 0.1
    toy: type[Toy] = Looking

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on one event loop: there is nothing in it that differs."""
        return "asyncio"

    @pytest.fixture
    def opened(self) -> Opened[Backend]:
        """Open toys on one shelf."""
        shelf = Shelf()

        @asynccontextmanager
        async def opening() -> AsyncIterator[Backend]:
            yield self.toy(shelf)

        return opening

    @pytest.fixture
    def good(self) -> Release:
        """Give a release with a licence."""
        return Release("1", command=["serve"], env={"LICENCE": KEY})

    @pytest.fixture
    def bad(self) -> dict[str, Release]:
        """Give one without."""
        return {"licence": Release("2", command=["serve"])}

    @pytest.fixture
    def secret(self) -> str:
        """Give what must not be said."""
        return KEY


class TestLooking(_Tried):
    """The toy as it should be."""


BROKEN = {
    TwoAlike: "test_validations_have_names_of_their_own",
    TakesANameThatIsBuiltIn: "test_validations_have_names_of_their_own",
    ActsWhenAsked: "test_asking_what_there_is_does_nothing",
    RefusesEverything: "test_a_good_release_is_not_refused",
    Overlooks: "test_what_is_wrong_is_found_and_has_a_remedy",
    Raises: "test_what_is_wrong_is_found_and_has_a_remedy",
    SaysItTwice: "test_findings_of_one_look_have_names_of_their_own",
    LeavesTheTrial: "test_looking_changes_nothing",
    LeavesTheTrialWhenCancelled: "test_a_look_that_is_cancelled_leaves_nothing",
    TriesAllTheSame: "test_nothing_is_tried_where_nothing_may_be",
    TellsTheSecret: "test_no_secret_is_told",
    TakesTooLong: "test_a_good_release_is_not_refused",
    ReturnsText: "test_a_good_release_is_not_refused",
}
"""Which test is there to find which mistake."""

for _kind in BROKEN:
    globals()[f"Test{_kind.__name__}"] = type(
        f"Test{_kind.__name__}", (_Tried,), {"toy": _kind, "__module__": __name__, "__doc__": _kind.__doc__}
    )
