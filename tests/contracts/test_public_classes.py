"""Behaviour is added by wrapping: public classes are final."""

from __future__ import annotations

import enum
from typing import is_typeddict

import pytest

from tests.contracts import source

OPEN = {
    "fairdeploy.testing.conformance": "a suite is used by deriving from it: pytest collects classes",
    "fairdeploy.testing.crash.suite": "the same",
}
"""Modules whose classes are made to be derived from, and why."""


def _may_be_open(cls: type) -> bool:
    return (
        getattr(cls, "_is_protocol", False)
        or issubclass(cls, (BaseException, enum.Enum))
        or is_typeddict(cls)
        or any(f"{cls.__module__}.".startswith(f"{prefix}.") for prefix in OPEN)
    )


@pytest.mark.parametrize("name", source.public_names())
def test_public_classes_are_final(name: str) -> None:
    """A public class is marked `typing.final`, unless it is a protocol, an error, an enum or a typed dict."""
    module = source.load(name)
    offered = [getattr(module, each) for each in source.described_by(module)]
    ours = [each for each in offered if isinstance(each, type) and each.__module__ == name]

    derivable = [
        cls.__name__ for cls in ours if not getattr(cls, "__final__", False) and not _may_be_open(cls)
    ]

    assert not derivable, f"{name}: decorate with @final: {derivable}"
