"""Findings and validations as chance makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.protocols import Validation

if TYPE_CHECKING:
    from fairdeploy.protocols import Scene


def finding(name: str, severity: Severity, *, passed: bool, aspect: Aspect = Aspect.CAPACITY) -> Finding:
    """Return a finding that says nothing in particular."""
    return Finding(
        name,
        aspect=aspect,
        severity=severity,
        passed=passed,
        message=f"{name} was looked at",
        remedy="mend it",
    )


def some_findings() -> st.SearchStrategy[Finding]:
    """Return any finding."""
    return st.builds(
        lambda name, severity, passed, aspect: finding(name, severity, passed=passed, aspect=aspect),
        st.text(min_size=1, max_size=12),
        st.sampled_from(Severity),
        st.booleans(),
        st.sampled_from(Aspect),
    )


def validation(name: str, aspect: Aspect, *found: Finding) -> Validation:
    """Return a validation that finds what it is told to."""

    async def look(_: Scene) -> Sequence[Finding]:
        return found

    return Validation(name, aspect=aspect, look=look)


def some_validations() -> st.SearchStrategy[list[Validation]]:
    """Return validations of different names."""
    named = st.lists(
        st.tuples(st.text(min_size=1, max_size=8).filter(str.strip), st.sampled_from(Aspect)),
        unique_by=lambda each: each[0],
        max_size=8,
    )
    return named.map(lambda several: [validation(name, aspect) for name, aspect in several])
