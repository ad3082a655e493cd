from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.protocols import Validation
from fairdeploy.validation import concluded, stops, waves
from tests.validation.findings import finding, some_findings, some_validations, validation

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


@given(some_validations())
def test_every_validation_comes_once_and_in_the_order_of_the_six(validations: list[Validation]) -> None:
    """Waves are one aspect each, in the order of the seed's six, and lose and double nothing."""
    found = waves(validations)
    aspects = [{each.aspect for each in wave} for wave in found]
    assert all(len(each) == 1 for each in aspects)
    order = [next(iter(each)) for each in aspects]
    assert order == sorted(order, key=list(Aspect).index)
    assert sorted(each.name for wave in found for each in wave) == sorted(each.name for each in validations)


@given(some_validations(), st.sets(st.sampled_from(Aspect)))
def test_only_and_without_leave_out_what_they_say(validations: list[Validation], only: set[Aspect]) -> None:
    """Nothing else is left out."""
    without = {each.name for each in validations[::2]}
    kept = {each.name for wave in waves(validations, only=only, without=without) for each in wave}
    assert kept == {each.name for each in validations if each.aspect in only} - without


@given(st.lists(some_findings()))
def test_a_result_is_refused_by_its_first_bad_critical_finding(findings: list[Finding]) -> None:
    """Passed means that all are good, as in the seed; only a bad critical finding refuses, and it is the message."""
    result = concluded(findings, target="shop/production", at=NOW)
    bad = [each for each in findings if each.severity is Severity.CRITICAL and not each.passed]
    assert result.passed is all(each.passed for each in findings)
    assert result.refused is bool(bad)
    assert result.message == (f"Critical validation failed: {bad[0].message}" if bad else "")
    assert stops(findings) == (bad[0] if bad else None)
    assert result.results == tuple(findings)


@given(st.lists(some_findings()))
def test_failures_are_the_bad_ones_the_worst_first(findings: list[Finding]) -> None:
    """Critical, then warnings, then remarks; each kind in the order in which it was found."""
    failures = concluded(findings, target="", at=NOW).failures
    assert not any(each.passed for each in failures)
    assert len(failures) == sum(not each.passed for each in findings)
    ranks = [list(Severity).index(each.severity) for each in failures]
    assert ranks == sorted(ranks)


def test_two_validations_of_one_name_are_refused() -> None:
    """Else a name to leave out would mean two things."""
    twice = [validation("disk", Aspect.CAPACITY), validation("disk", Aspect.SECRETS)]
    with pytest.raises(InvalidInput, match=r"differ in their names.*'disk'"):
        waves(twice)


def test_an_unknown_name_to_leave_out_is_refused() -> None:
    """A slip of the pen would leave nothing out, silently."""
    with pytest.raises(InvalidInput, match=r"no validation \['dsik'\].*known are \['disk'\]"):
        waves([validation("disk", Aspect.CAPACITY)], without={"dsik"})


def test_a_complaint_without_advice_is_refused() -> None:
    """Each bad finding says what to do."""
    with pytest.raises(InvalidInput, match="says no remedy"):
        Finding("x", aspect=Aspect.SECRETS, severity=Severity.INFO, passed=False, message="bad")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"aspect": "secret"}, "no aspect 'secret'"),
        ({"severity": "fatal"}, "no severity 'fatal'"),
    ],
)
def test_unknown_words_are_refused(values: dict[str, str], says: str) -> None:
    """Words that mean nothing are told apart from those that do."""
    given_ = {"aspect": "secrets", "severity": "info", **values}
    with pytest.raises(InvalidInput, match=says):
        Finding("x", passed=True, message="", **given_)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    ("name", "look", "deadline"), [("", print, 1.0), ("x", "ls", 1.0), ("x", print, 0.0), ("x", print, True)]
)
def test_what_could_not_be_run_is_refused(name: str, look: object, deadline: float) -> None:
    """A validation has a name, a function and some time."""
    with pytest.raises(InvalidInput):
        Validation(name, aspect=Aspect.CAPACITY, look=look, deadline=deadline)  # type: ignore[arg-type]  # the point of the test


def test_the_report_says_what_was_not_looked_at() -> None:
    """After a critical failure the later aspects are named, so that nobody takes them for good."""
    result = concluded(
        [finding("x", Severity.CRITICAL, passed=False, aspect=Aspect.SECRETS)], target="shop/test", at=NOW
    )
    assert "not looked at: configuration, database" in str(result)
    assert "refused (1 critical failure)" in str(result)
