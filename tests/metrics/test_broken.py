"""A source of metrics that is broken fails by the test that is there for its mistake."""

from __future__ import annotations

import pytest

from tests.conformance.suites import failures_of
from tests.metrics import broken
from tests.metrics.broken import BROKEN, Plain

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Run the suite on all, as their authors would; say by class which tests failed."""
    return failures_of(broken, tmp_path_factory.mktemp("report"), seconds=500)


def test_the_plain_one_passes(failures: dict[str, set[str]]) -> None:
    """Every standard test."""
    assert failures["TestPlain"] == set()


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_one_fails(failures: dict[str, set[str]], kind: type[Plain]) -> None:
    """By the test that is there for its mistake."""
    assert BROKEN[kind] in failures[f"Test{kind.__name__}"]
