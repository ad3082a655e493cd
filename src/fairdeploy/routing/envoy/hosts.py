"""What Envoy says about single members: who is healthy, and what is in flight. Parsing is pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict, final
from urllib.parse import quote

from fairdeploy.routing._address import normal
from fairdeploy.routing.envoy.admin import UNREADABLE, ask, unreadable
from fairdeploy.routing.envoy.listeners import ADMIN_SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fairdeploy.model import InstanceId
    from fairdeploy.routing.envoy.state import State

__all__ = ["Host", "busy", "healthy", "hosts", "in_flight", "parse_hosts"]

_PATH: Final = "/clusters?format=json&filter=" + quote(r"^s\d+!?$")


class _Stat(TypedDict, total=False):
    name: str
    value: str


class _Socket(TypedDict):
    address: str
    port_value: int


class _Pipe(TypedDict):
    path: str


class _Address(TypedDict, total=False):
    socket_address: _Socket
    pipe: _Pipe


class _Health(TypedDict, total=False):
    eds_health_status: str


class _Host(TypedDict, total=False):
    address: _Address
    stats: list[_Stat]
    health_status: _Health


class _Cluster(TypedDict, total=False):
    name: str
    host_statuses: list[_Host]


class _Clusters(TypedDict, total=False):
    """Envoy's answer; numbers that are 0 and flags that are false are left out of it."""

    cluster_statuses: list[_Cluster]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A member as Envoy sees it.

    Args:
        cluster: The place's name.
        address: ``host:port`` or ``unix:/path``, as Envoy spells it.
        healthy: It may be sent requests.
        in_flight: Requests and upgraded connections on it, those that wait for a connection included.
    """

    cluster: str
    address: str
    healthy: bool
    in_flight: int


async def hosts(folder: Path) -> tuple[Host, ...]:
    """Return every member that Envoy knows.

    Raises:
        Unreachable: If Envoy does not answer.
        RouterError: If its answer cannot be read.
    """
    return parse_hosts(await ask(folder, ADMIN_SOCKET, _PATH))


def parse_hosts(text: str) -> tuple[Host, ...]:
    """Return the members in Envoy's answer.

    Raises:
        RouterError: If it is none that Envoy gives.
    """
    try:
        answer: _Clusters = json.loads(text)
        return tuple(
            _host(cluster.get("name", ""), host)
            for cluster in answer.get("cluster_statuses", [])
            for host in cluster.get("host_statuses", [])
        )
    except UNREADABLE as exc:
        raise unreadable("members", exc) from exc


def healthy(state: State, seen: Iterable[Host]) -> frozenset[InstanceId]:
    """Return the instances that Envoy would send requests to."""
    well = {(host.cluster, host.address) for host in seen if host.healthy}
    return frozenset(
        member.instance
        for place in state.live
        for member in place.members
        if (place.name, normal(member.address)) in well
    )


def in_flight(state: State, seen: Iterable[Host]) -> Mapping[InstanceId, int]:
    """Return what is under way on each instance, leaving ones included."""
    count: Counter[tuple[str, str]] = Counter()
    for host in seen:
        count[host.cluster, host.address] += host.in_flight
    totals: dict[InstanceId, int] = {}
    for place in state.places:
        for member in (*place.members, *place.leaving):
            number = count[place.name, normal(member.address)]
            totals[member.instance] = totals.get(member.instance, 0) + number
    return totals


def busy(seen: Iterable[Host]) -> frozenset[tuple[str, str]]:
    """Return cluster and address of the members that have something under way."""
    return frozenset((host.cluster, host.address) for host in seen if host.in_flight)


def _host(cluster: str, host: _Host) -> Host:
    stats = {stat.get("name", ""): int(stat.get("value", 0)) for stat in host.get("stats", [])}
    health = host.get("health_status", {})
    # Every other key is a failed check; hosts that have not been checked yet carry one too.
    well = set(health) == {"eds_health_status"} and health.get("eds_health_status") == "HEALTHY"
    # The last resort has the same members and checks none of them: what it says of health is no news.
    checked = not cluster.endswith("!")
    return Host(
        cluster=cluster.removesuffix("!"),
        address=_address(host.get("address", {})),
        healthy=well and checked,
        in_flight=stats.get("rq_active", 0) + stats.get("rq_pending_active", 0),
    )


def _address(address: _Address) -> str:
    if "pipe" in address:
        return f"unix:{address['pipe']['path']}"
    if "socket_address" in address:
        return f"{address['socket_address']['address']}:{address['socket_address']['port_value']}"
    return ""
