from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fairdeploy.backends.local._readiness import Standing
from fairdeploy.backends.local._record import Record
from fairdeploy.backends.local._tail import last
from fairdeploy.backends.local.watch import Watched
from fairdeploy.errors import StateError
from fairdeploy.host import launch
from fairdeploy.host._files import read_json, write_json
from fairdeploy.host._process import Identity
from fairdeploy.model import CommandProbe, HTTPProbe, Probes, TCPProbe

WHO = Identity(1, 2, "boot")
PROBES = st.none() | st.sampled_from(
    [HTTPProbe("/health", host="a.b", successes=2), TCPProbe(failures=9), CommandProbe(("test", "{port}"))]
)
RECORDS = st.builds(
    Record,
    st.text(min_size=1),
    revision=st.text(),
    number=st.integers(0),
    argv=st.lists(st.text()).map(tuple),
    cwd=st.text(),
    env=st.dictionaries(st.text(), st.text()),
    config=st.text(),
    secrets=st.dictionaries(
        st.text(), st.fixed_dictionaries({"path": st.text()}, optional={"key": st.text()})
    ),
    port=st.none() | st.integers(1, 65_535),
    uds=st.none() | st.text(),
    probes=st.builds(Probes, readiness=PROBES, liveness=PROBES),
)


@given(RECORDS)
def test_what_is_written_of_an_instance_is_read_again(record: Record) -> None:
    """A later program knows all that the first one knew."""
    found = json.loads(json.dumps(record.encoded(Path("run"), Path("ready"))))

    assert Record.decoded(found, Path("x.json")) == record


@pytest.mark.parametrize(
    "field", [each.name for each in fields(Record) if each.default is each.default_factory]
)
def test_a_record_without_a_needed_field_is_refused(field: str) -> None:
    """The error names the file."""
    record = Record("a.1", revision="a", number=1, argv=("x",), cwd="/", env={}, config="/")
    found = record.encoded(Path("run"), Path("ready"))
    del found[field]

    with pytest.raises(StateError, match=r"'x\.json'"):
        Record.decoded(found, Path("x.json"))


@given(st.text(alphabet="{}portuds %$"), st.text())
def test_placeholders_are_filled_once(before: str, value: str) -> None:
    """What stands in for a placeholder is not looked at again, and nothing else changes."""
    text = before.replace("{port}", "").replace("{uds}", "")

    assert launch.fill(f"{text}{{revision}}", {"revision": value}) == text + value
    assert launch.fill("{revision}{port}", {"revision": "{port}", "port": "1"}) == "{port}1"


def test_free_ports_are_free_and_not_those_to_avoid() -> None:
    """They lie below the range of outgoing connections where there is room."""
    first = launch.free_port()
    found = {launch.free_port(frozenset({first})) for _ in range(20)}
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert first not in found
    assert low < 17_000 or all(port < low for port in found)


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_readiness_needs_enough_in_a_row(successes: int, failures: int, answers: list[bool]) -> None:
    """It comes with so many successes and goes with so many failures, whatever came before."""
    probe = HTTPProbe("/", successes=successes, failures=failures)
    standing = Standing(WHO)
    for number, well in enumerate(answers):
        before = standing
        standing = before.after(probe, "" if well else "no", 0.0)
        tail = answers[: number + 1]
        if standing.ready and not before.ready:
            assert all(tail[-successes:])
        if before.ready and not standing.ready:
            assert not any(tail[-failures:])
        assert standing.ready == (not standing.detail)


def test_failures_before_the_first_success_are_a_slow_start() -> None:
    """A liveness probe does not kill what is still starting, but does kill what never starts."""
    probe = HTTPProbe("/", failures=1)
    starting = Watched(0.0).after(probe, "no", 59.0)

    assert starting.failures == 0
    assert starting.after(probe, "no", 61.0).failures == 1
    assert starting.after(probe, "", 10.0).after(probe, "no", 11.0).failures == 1


def test_the_initial_delay_is_kept_even_after_a_success() -> None:
    """Failures within it are not counted."""
    probe = HTTPProbe("/", initial_delay_ms=90_000)

    assert Watched(0.0, alive=True).after(probe, "no", 89.0).failures == 0
    assert Watched(0.0).after(probe, "no", 89.0).failures == 0
    assert Watched(0.0).after(probe, "no", 91.0).failures == 1


@given(st.lists(st.text(alphabet="ab ü"), max_size=20), st.integers(0, 25), st.integers(0, 20))
def test_the_last_lines_are_found_across_both_parts(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int, cut: int
) -> None:
    """A log that was just begun anew does not hide what came before."""
    log = tmp_path_factory.mktemp("tail") / "x.log"
    log.with_name("x.log.1").write_text("".join(f"{line}\n" for line in lines[:cut]))
    log.write_text("".join(f"{line}\n" for line in lines[cut:]))

    assert last(log, count) == tuple(lines[max(len(lines) - count, 0) :] if count else ())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """And nothing is left beside it."""
    (tmp_path / "x.json").mkdir()

    with pytest.raises(StateError, match=r"x\.json"):
        write_json(tmp_path / "x.json", {}, durable=True)

    assert os.listdir(tmp_path) == ["x.json"]  # noqa: PTH208 -- hidden ones too
    assert read_json(tmp_path / "none.json") is None
