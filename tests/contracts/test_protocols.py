"""What others implement stays small enough to be implemented."""

from __future__ import annotations

import inspect
from typing import Protocol

import pytest

from fairdeploy import protocols

MOST = 7
SEAMS = [
    thing
    for name in protocols.__all__
    if inspect.isclass(thing := getattr(protocols, name)) and getattr(thing, "_is_protocol", False)
]


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.__name__)
def test_a_protocol_has_seven_methods_at_most(seam: type) -> None:
    """Properties are facts and come on top; every method, and every property, says what it promises."""
    own = {
        name: value for name, value in vars(seam).items() if not name.startswith("_") or name == "__call__"
    }
    methods = [name for name, value in own.items() if inspect.isfunction(value) and name != "__init__"]
    assert 1 <= len(methods) <= MOST, methods
    assert all(inspect.getdoc(value) for value in own.values())


def test_the_seams_are_found() -> None:
    """Backends, routers and journals are among them."""
    assert {protocols.Backend, protocols.TrafficRouter, protocols.Journal} <= set(SEAMS)
    assert Protocol not in SEAMS
