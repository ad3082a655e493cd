from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from fairdeploy.model import HTTPProbe, Probes, Release, Severity, Target
from fairdeploy.validation import (
    Copies,
    Disk,
    Idle,
    Machine,
    Stop,
    cpu,
    described,
    disk,
    idle,
    image,
    memory,
    stop,
)

MIB = 1_048_576
SHOP = Target("shop", endpoint="127.0.0.1:8080")


@pytest.mark.parametrize(
    ("name", "pinned"),
    [
        ("registry.example/shop@sha256:" + "a" * 64, True),
        ("registry.example:5000/shop:1.4@sha256:" + "a" * 64, True),
        ("registry.example:5000/shop:1.4", False),
        ("registry.example:5000/shop", False),
        ("shop:latest", False),
    ],
)
def test_only_a_digest_names_an_image_for_ever(name: str, pinned: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """A tag can be given to another image, and 'latest' always is."""
    (found,) = image(Release("1", image=name))
    assert found.passed is pinned
    assert ("whatever" in found.message) is (name.endswith(("latest", "5000/shop")))


def test_a_release_without_an_image_or_an_endpoint_is_not_judged_by_them() -> None:
    """There is nothing to say about what is not there."""
    worker = Release("1", command=["work"])
    assert image(worker) == ()
    assert described(SHOP, worker) == ()
    assert described(Target("shop"), Release("1", command=["serve", "{port}"])) == ()


def test_a_missing_readiness_probe_is_a_warning() -> None:
    """It gets traffic as soon as its port opens."""
    bare = Release("1", command=["serve", "{port}"])
    probed = Release("1", command=["serve", "{port}"], probes=Probes(readiness=HTTPProbe("/health")))
    assert not described(SHOP, bare)[0].passed
    assert described(SHOP, probed)[0].passed


@given(st.integers(0, 2**45), st.integers(1, 2**45), st.none() | st.integers(0, 10**7))
def test_less_room_on_disk_is_never_better(free: int, more: int, inodes: int | None) -> None:
    """What passes with less passes with more, on the same disk."""
    total = free + more
    less = disk(Disk(folder="/x", free=free, total=total, inodes=inodes))
    full = disk(Disk(folder="/x", free=total, total=total, inodes=inodes))
    assert full.passed or not less.passed
    assert full.refuses <= less.refuses


@pytest.mark.parametrize(
    ("free", "severity", "passed"),
    [
        (10 * MIB, Severity.CRITICAL, False),
        (500 * MIB, Severity.WARNING, False),
        (50_000 * MIB, Severity.WARNING, True),
    ],
)
def test_a_full_disk_refuses_and_a_short_one_warns(
    free: int,
    severity: Severity,
    passed: bool,  # noqa: FBT001 -- pytest passes by name
) -> None:
    """The journal itself needs some of it."""
    found = disk(Disk(folder="/x", free=free, total=100_000 * MIB))
    assert (found.severity, found.passed) == (severity, passed)


def test_memory_for_two_copies_is_judged_by_the_copy_that_runs() -> None:
    """Before one runs, nothing is said."""
    machine = Machine(memory=1_000 * MIB, processors=2, load=0.5)
    assert memory(machine, Copies(replicas=2, each=None)) == ()
    assert memory(machine, Copies(replicas=2, each=100 * MIB))[0].passed
    (tight,) = memory(machine, Copies(replicas=2, each=450 * MIB))
    assert (tight.passed, tight.severity) == (False, Severity.WARNING)
    assert memory(machine, Copies(replicas=2, each=600 * MIB))[0].refuses


def test_busy_processors_are_a_warning() -> None:
    """Never more than that: a load goes by."""
    assert cpu(Machine(memory=None, processors=2, load=1.0))[0].passed
    (busy,) = cpu(Machine(memory=None, processors=2, load=9.0))
    assert not busy.passed
    assert not busy.refuses
    assert cpu(Machine(memory=None, processors=2, load=None)) == ()


@given(st.integers(1, 60_000), st.integers(1, 60_000))
def test_the_router_must_be_the_one_that_closes_idle_connections(closed: int, router: int) -> None:
    """An instance that closes first can meet a request."""
    assert idle(Idle(router_ms=router, closed_ms=closed, watched_ms=router)).passed is (closed > router)
    assert idle(Idle(router_ms=router, closed_ms=None, watched_ms=router)).passed


@given(st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_cut_requests_are_critical_only_where_nobody_counts_them(
    answered: int,
    cut: int,
    counted: bool,  # noqa: FBT001 -- given by name
) -> None:
    """Where requests are counted before an instance is stopped, it has none left when it gets the signal."""
    seen = Stop(
        signal="SIGTERM", grace_ms=1, in_flight=answered + cut, answered=answered, exited_ms=1, exit_code=0
    )
    requests, _, ended = stop(seen, counted=counted)
    assert requests.passed is (cut == 0)
    assert requests.refuses is (cut > 0 and not counted)
    assert ended.passed


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_whoever_closes_connections_unasked_is_told_to_announce_it(
    served: int, lost: int, announced: int
) -> None:
    """A request that is lost after the signal is a finding, with how many of how many; the announced ones are told."""
    seen = Stop(
        signal="SIGTERM",
        grace_ms=1,
        in_flight=0,
        answered=0,
        later=served + lost,
        later_lost=lost,
        announced=announced,
    )
    _, connections, _ = stop(seen, counted=True)
    assert connections.passed is (lost == 0)
    assert f"{served} of {served + lost} later requests" in connections.message
    assert ("no answer said 'Connection: close'" in connections.message) is (announced == 0)
    assert ("'Connection: close'" in connections.remedy) is (lost > 0)


@pytest.mark.parametrize(
    ("exited", "code", "passed"),
    [(5, 0, True), (5, -15, True), (5, 1, True), (5, -9, False), (None, None, False)],
)
def test_an_instance_that_had_to_be_killed_is_found(
    exited: int | None,
    code: int | None,
    passed: bool,  # noqa: FBT001 -- pytest passes by name
) -> None:
    """One that still ran after its grace, or that somebody killed."""
    seen = Stop(signal="SIGTERM", grace_ms=1_000, in_flight=0, answered=0, exited_ms=exited, exit_code=code)
    assert stop(seen, counted=True)[2].passed is passed
