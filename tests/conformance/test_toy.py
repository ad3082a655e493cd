"""Somebody else's backend passes; broken, it fails by the test that is there for the mistake; and no test can be dropped."""

from __future__ import annotations

import pytest

from fairdeploy.errors import InvalidInput
from fairdeploy.testing.conformance import BackendConformance, Conformance
from tests.conformance import broken
from tests.conformance.broken import BROKEN, TestToy
from tests.conformance.suites import ROOT, failures_of
from tests.conformance.toy import Toy


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Run the suite on every broken toy, as their author would; say by class which tests failed."""
    return failures_of(broken, tmp_path_factory.mktemp("report"))


def test_the_toy_is_small_and_belongs_to_nobody() -> None:
    """A hundred lines, without anything of ours that is not public."""
    lines = [line for line in (ROOT / "tests/conformance/toy.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 100
    assert not [line for line in lines if "fairdeploy.testing" in line or "import _" in line]


def test_the_toy_passes(failures: dict[str, set[str]]) -> None:
    """Every standard test."""
    assert failures["TestToy"] == set()


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_toy_fails(failures: dict[str, set[str]], kind: type[Toy]) -> None:
    """By the test that is there for its mistake."""
    assert BROKEN[kind] in failures[f"Test{kind.__name__}"]


def test_a_standard_test_cannot_be_overridden() -> None:
    """The class that does is refused when it is made, and told what to do instead."""
    with pytest.raises(
        InvalidInput, match=r"overrides the standard test 'test_a_job_runs_once_per_key'.*xfail="
    ):

        class Mine(TestToy):
            async def test_a_job_runs_once_per_key(self) -> None:  # type: ignore[override]  # the point of the test
                """Do nothing."""


def test_a_standard_test_cannot_be_hidden() -> None:
    """Neither by something that is no test, nor by another base that comes first."""
    with pytest.raises(InvalidInput, match="drops or overrides"):
        type("Mine", (TestToy,), {"test_a_job_runs_once_per_key": None})

    class Before:
        def test_a_job_runs_once_per_key(self) -> None:
            """Do nothing."""

    with pytest.raises(InvalidInput, match="drops or overrides"):
        type("Mine", (Before, TestToy), {})


def test_a_standard_test_that_is_taken_out_later_is_missed() -> None:
    """A test of its own looks whether all others are in place."""
    kind = type("Mine", (TestToy,), {})
    setattr(kind, "test_a_job_runs_once_per_key", None)  # noqa: B010 -- what a type checker would refuse
    with pytest.raises(pytest.fail.Exception, match="test_a_job_runs_once_per_key"):
        kind().test_every_standard_test_is_in_place()
    TestToy().test_every_standard_test_is_in_place()


def test_an_expected_failure_names_a_test_and_a_reason() -> None:
    """And must then fail: it is strict."""

    class Mine(TestToy, xfail={"test_a_job_runs_once_per_key": "it runs nothing at all"}):
        pass

    (mark,) = [m for m in Mine.test_a_job_runs_once_per_key.pytestmark if m.name == "xfail"]  # type: ignore[attr-defined]  # by pytest
    assert mark.kwargs == {"reason": "it runs nothing at all", "strict": True}
    original = getattr(BackendConformance.test_a_job_runs_once_per_key, "pytestmark", [])
    assert "xfail" not in {each.name for each in original}
    Mine().test_every_standard_test_is_in_place()
    with pytest.raises(InvalidInput, match="give the reason"):

        class Silent(TestToy, xfail={"test_a_job_runs_once_per_key": " "}):
            pass

    with pytest.raises(InvalidInput, match="is 'test_a_job_runs_once_per_key' meant"):
        type.__call__(
            type(TestToy), "Mine", (TestToy,), {}, xfail={"test_a_job_runs_once_per_keys": "because"}
        )


def test_every_suite_has_tests() -> None:
    """And each of its tests says what it wants."""
    for kind in Conformance.__subclasses__():
        for name, test in kind.standard_tests.items():
            assert (test.__doc__ or "").strip(), name
