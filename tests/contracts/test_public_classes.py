"""Behaviour is added by wrapping: public classes are final."""

from __future__ import annotations

import enum
from typing import is_typeddict

import pytest

from tests.contracts import source

OPEN = {
    "fairdeploy.testing.conformance": "a suite is used by deriving from it: pytest collects classes",
}
"""Modules whose classes are made to be derived from, and why."""


def _may_be_open(cls: type) -> bool:
    return (
        getattr(cls, "_is_protocol", False)
        or issubclass(cls, (BaseException, enum.Enum))
        or is_typeddict(cls)
        or any(f"{cls.__module__}.".startswith(f"{prefix}.") for prefix in OPEN)
    )


def _public_classes() -> list[type]:
    modules = [source.load(name) for name in source.public_names()]
    offered = [getattr(module, name) for module in modules for name in source.described_by(module)]
    ours = {each for each in offered if isinstance(each, type) and each.__module__.startswith("fairdeploy")}
    return sorted(ours, key=lambda cls: (cls.__module__, cls.__qualname__))


@pytest.mark.parametrize("cls", _public_classes(), ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_public_classes_are_final(cls: type) -> None:
    """A public class is marked `typing.final`, unless it is a protocol, an error, an enum or a typed dict."""
    assert getattr(cls, "__final__", False) or _may_be_open(cls), (
        f"{cls.__module__}.{cls.__qualname__}: decorate it with @final"
    )
