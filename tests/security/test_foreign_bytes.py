"""Whatever is read from elsewhere is understood or refused: only errors of ours leave, and none shows the input of a record."""

from __future__ import annotations

import asyncio
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fairdeploy.backends.local import _scan
from fairdeploy.backends.local._layout import Layout
from fairdeploy.backends.local._record import Record
from fairdeploy.errors import BackendError, FairdeployError, RecordError, RouterError
from fairdeploy.guard.opening import open_backend
from fairdeploy.host import _files, _rpc, supervisor, systemd
from fairdeploy.host._hidden import values
from fairdeploy.journal import codec
from fairdeploy.knowledge.answer import origins_of, passages_of, records_of
from fairdeploy.knowledge.tool_map import ToolCall
from fairdeploy.model import TargetId
from fairdeploy.patterns import InstitutionRequirements, Recommendation, read_catalogue, read_requirements
from fairdeploy.routing.envoy import admin, state
from fairdeploy.routing.envoy.counts import parse_counts
from fairdeploy.routing.envoy.hosts import parse_hosts
from fairdeploy.routing.envoy.statistics import parse_loaded
from tests.journal.plans import plan
from tests.patterns.test_scenarios import CLOSE, YAML

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, 1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def changed(draw: st.DrawFn, text: str) -> str:
    """Draw a valid JSON text in which something is replaced, left out, or cut."""
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(text)))
        return text[:at] + draw(st.text(max_size=5)) + text[at + draw(st.integers(0, 3)) :]
    whole: Any = json.loads(text)  # Any: JSON
    place, key = [whole], 0
    while isinstance(place[key], (dict, list)) and place[key] and draw(st.integers(0, 5)):
        place = place[key]
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    if isinstance(place, dict) and draw(st.booleans()):
        del place[key]
    else:
        place[key] = draw(ANY_JSON)
    return json.dumps(whole[0] if place is whole and isinstance(whole, list) else whole)


def only_ours(read: Callable[[], object], error: type[FairdeployError] = FairdeployError) -> str:
    """Read; return the message of the error, or nothing."""
    try:
        read()
    except error as refused:
        return str(refused) or "?"
    return ""


CLUSTERS = json.dumps(
    {
        "cluster_statuses": [
            {
                "name": "s0",
                "host_statuses": [
                    {
                        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}},
                        "stats": [{"name": "rq_active", "value": "3"}],
                        "health_status": {"eds_health_status": "HEALTHY"},
                    },
                    {"address": {"pipe": {"path": "/run/a.sock"}}},
                ],
            }
        ]
    }
)


@given(ANY_JSON.map(json.dumps) | changed(CLUSTERS) | st.text())
def test_what_envoy_says_of_its_members(text: str) -> None:
    """Its list of hosts, or an error of the router."""
    only_ours(lambda: parse_hosts(text), RouterError)


LINES = st.sampled_from(
    [
        "cluster.s1.version_text: ",
        "cluster.s1.update_rejected: ",
        "server.parent_connections: ",
        "http.main.downstream_cx_upgrades_active: ",
        "cluster.s0+s1.upstream_rq_completed: ",
        "cluster.s0.upstream_rq_5xx: ",
        "cluster.s0.upstream_rq_time: B",
        "",
    ]
)
STATISTICS = st.lists(
    st.tuples(LINES, st.text(max_size=9) | st.integers().map(str) | st.just("9" * 5_000)).map("".join),
    max_size=5,
).map("\n".join)


@given(STATISTICS)
def test_what_envoy_has_counted(text: str) -> None:
    """Its statistics, or an error of the router."""
    only_ours(lambda: parse_loaded(text), RouterError)
    only_ours(lambda: parse_counts(text), RouterError)


STATE = json.dumps(
    {
        "epoch": 1,
        "serial": 1,
        "next_slot": 1,
        "token": "t",
        "base_id": 1,
        "process": 0,
        "workers": 2,
        "endpoint": "127.0.0.1:80",
        "tls": None,
        "routes": {"pools": []},
        "places": [],
    }
)


@given(ANY_JSON.map(json.dumps) | changed(STATE) | st.text())
def test_what_the_router_remembers(text: str) -> None:
    """Its own file, or an error of the router."""
    only_ours(lambda: state.decode(text.encode("utf-8", "replace"), Path("/srv/state.json")), RouterError)


@given(changed(codec.encode_plan(plan("a", "b"))))
@pytest.mark.parametrize("secret", ["hunter2hunter2"])
def test_a_plan_of_the_journal(secret: str, text: str) -> None:
    """A plan or an error of a record, which does not show what could be a secret."""
    text = text.replace("null", json.dumps(secret), 1)
    said = only_ours(lambda: codec.plan(text, "the plan"), RecordError)

    assert secret not in said
    for read in (lambda: codec.record(text, codec.VERSION, "it"), lambda: codec.result(text, "it")):
        assert secret not in only_ours(read, RecordError)


RECORD = json.dumps(
    {
        "id": "1-abc.1",
        "revision": "1-abc",
        "number": 1,
        "argv": ["serve"],
        "cwd": "/",
        "env": {"A": "b"},
        "config": "/c",
        "secrets": {"P": {"path": "/nowhere", "key": "P"}},
        "port": 80,
        "probes": {"readiness": {"kind": "http", "path": "/"}, "liveness": None},
        "stop_signal": "SIGTERM",
        "stop_grace_ms": 10,
    }
)


@given(ANY_JSON.map(json.dumps) | changed(RECORD))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])  # each writes files
def test_the_files_of_a_backend(tmp_path: Path, text: str) -> None:
    """Instances, marks and numbers of a target: what they say, or an error of the backend."""
    layout = Layout(tmp_path, TargetId("shop/production"))
    layout.instances.mkdir(parents=True, exist_ok=True)
    path = layout.instance("1-abc.1")
    for each in (path, layout.stable, layout.epoch, layout.run("1-abc.1")):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_text(text)

    only_ours(lambda: _scan.scan(layout), BackendError)
    only_ours(lambda: _scan.ports(layout), BackendError)
    only_ours(lambda: [values(each.secrets) for each in _scan.records(layout)], BackendError)
    only_ours(lambda: Record.decoded(_files.read_json(path) or {}, path), BackendError)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_what_systemd_says(told: bytes) -> None:
    """Units as `systemctl show` writes them, or an error of the backend."""
    only_ours(lambda: systemd._states_of(told, "fairdeploy-x-"), BackendError)
    whole = b"Id=fairdeploy-x-a.service\nActiveState=active\nSubState=running\nMainPID=7\nExecMainCode=0\n"
    only_ours(lambda: systemd._states_of(whole + told, "fairdeploy-x-"), BackendError)


@given(ANY_JSON)
def test_what_supervisor_says_of_its_programs(told: object) -> None:
    """Rows of a table, or an error of the backend."""
    only_ours(lambda: supervisor._table_of(told), BackendError)
    row = {"name": "a", "state": "RUNNING", "pid": 7, "exit": -1000, "starts": 1}
    for key in row:
        other: dict[str, object] = {**row, key: told}
        only_ours(partial(supervisor._table_of, [other]), BackendError)


XML = b"<?xml version='1.0'?><methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>"
BOMB = (
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (97 + n, b"&%c;" % (96 + n) * 10) for n in range(1, 9))
    + b"]><methodResponse><params><param><value><string>&i;</string></value></param></params></methodResponse>"
)
ANSWERS = [
    b"",
    b"\x00\xff" * 20,
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<a>",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    *(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for body in (
            b"",
            b"<a>",
            b"not xml",
            XML.replace(b"1<", b"x<"),
            XML.replace(b"int", b"dateTime.iso8601"),
            XML.replace(b"<int>1</int>", b"<struct></struct>"),
            XML.replace(b"int", b"nothing"),
            b"<?xml version='1.0'?><methodResponse></methodResponse>",
            BOMB,
        )
    ),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fd-") as path:
        yield Path(path)


@pytest.mark.anyio
@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
async def test_garbage_on_a_socket(answer: bytes, folder: Path) -> None:
    """Who answers in place of Envoy or supervisord, and badly, is an error of router or keeper; a bomb stays small."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4_096)
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    keeper = supervisor.SupervisorKeeper(folder, deadline_ms=2_000)
    async with await asyncio.start_unix_server(serve, keeper._home.socket):
        place = Path(keeper._home.socket)
        with pytest.raises((RouterError, admin.Unreachable)):
            parse_hosts(await admin.ask(place.parent, place.name, "/clusters"))
        with pytest.raises((BackendError, *_rpc.UNREACHABLE)):
            supervisor._table_of(await keeper._ask("fairdeploy.states"))


CALL = ToolCall("search", {})


@given(ANY_JSON.map(json.dumps) | st.text())
def test_what_a_tool_answers(text: str) -> None:
    """Passages, or an error of knowledge; numbers beyond reason are no crash."""
    paths = {name: [name] for name in ("text", "title", "address", "origin", "ref", "score", "id", "summary")}

    def read() -> None:
        records = records_of(text, CALL)
        passages_of(records, paths)
        origins_of(records, paths)

    only_ours(read)


@given(
    st.text()
    | st.text().map(lambda path: f"local://{path}")
    | st.sampled_from(["http://[::1", "a://b:c@d:x"])
)
def test_a_uri_of_a_backend(uri: str) -> None:
    """What opens nothing is refused, whatever it is. Only schemes that no package opens are tried."""
    if not uri.casefold().startswith("local:"):
        only_ours(lambda: open_backend(uri))


@settings(max_examples=80)  # each works a recommendation out anew
@given(changed(CLOSE.to_json()))
def test_a_recommendation_that_was_written(text: str) -> None:
    """It is read, or refused as bad input."""
    only_ours(lambda: Recommendation.from_json(text))


@given(st.dictionaries(st.sampled_from(list(CLOSE.requirements.record())) | st.text(), ANY_JSON))
def test_a_form(answers: dict[str, object]) -> None:
    """Whatever is written in it."""
    only_ours(lambda: InstitutionRequirements.read({**CLOSE.requirements.record(), **answers}))


@given(st.data())
@settings(max_examples=60)  # each reads YAML four times, at 5 ms a time
def test_yaml_of_ones_own(data: st.DataObject) -> None:
    """A catalogue or a form with anything in it: read, or refused as bad input."""
    at = data.draw(st.integers(0, len(YAML)))
    odd = data.draw(
        st.text(max_size=6)
        | st.sampled_from(["2026-13-45", "1e999", "? [a]: b\n", ".nan", "0o8", "9" * 5_000, "{1: 2}", "\x85"])
    )
    text = YAML[:at] + odd + YAML[at + data.draw(st.integers(0, 6)) :]
    only_ours(lambda: read_catalogue(text))
    only_ours(lambda: read_requirements(odd))
    only_ours(lambda: read_requirements(f"budget: {odd}"))
