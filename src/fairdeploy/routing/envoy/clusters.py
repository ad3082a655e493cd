"""The clusters: who can be sent requests, how they are checked, and who stands in for whom. Pure."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Final

from fairdeploy.model import HTTPProbe, TCPProbe
from fairdeploy.routing.envoy.document import Doc, address, api, file_source, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fairdeploy.model import Member, Probe
    from fairdeploy.model.canonical import JSON
    from fairdeploy.routing.envoy.state import Place

__all__ = ["alone", "aside", "clusters", "eds_file", "endpoints", "pair"]

_BREAKERS: Final[Doc] = {
    # Envoy's own defaults are 1024/1024/1024/3; with 3 retries, the fallback of a pair hardly ever works.
    "thresholds": [
        {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 16384, "max_retries": 1024}
    ]
}
_CONNECT: Final = "1s"
_CALM_MS: Final = 1_000
"""Shortest time between two checks of a member that is well, in milliseconds."""
_IDLE: Final = "2s"
"""Below every server's own keep-alive time (uvicorn: 5 s), so that no request meets a closing connection."""


def pair(first: Place, fallback: Place) -> str:
    """Return the name of the cluster that asks ``first``, and ``fallback`` if that cannot be."""
    return f"{first.name}+{fallback.name}"


def alone(place: Place) -> str:
    """Return the name by which requests go when nobody else has traffic that could stand in."""
    return pair(place, place)


def _open(place: Place) -> str:
    """Return the name of a place's last resort: the same members, whatever their health checks say.

    On a machine that is short of processor time every check may time out at once. Members that
    answer late are better than an answer that nobody is there.
    """
    return f"{place.name}!"


def aside(place: Place) -> str:
    """Return the name by which requests go that are not part of the split: header routes and mirrors.

    Envoy charges status codes and times to the name that a route gives, so they stay out of the counters.
    """
    return f"{place.name}~"


def eds_file(place: Place) -> str:
    """Return the name of the file with a place's members."""
    return f"eds-{place.name}.json"


def clusters(places: Sequence[Place]) -> list[Doc]:
    """Return every cluster: one a place, its name for requests aside, and all ordered pairs."""
    return list(_clusters(places))


def endpoints(place: Place) -> Doc:
    """Return a place's members. Leaving ones get nothing new, but are counted."""
    members: list[JSON] = [_endpoint(member, leaving=False) for member in place.members]
    members += [_endpoint(member, leaving=True) for member in place.leaving]
    return {
        "@type": api("config.endpoint.v3.ClusterLoadAssignment"),
        "cluster_name": place.name,
        "endpoints": [{"lb_endpoints": members}] if members else [],
    }


def _clusters(places: Sequence[Place]) -> Iterator[Doc]:
    for place in places:
        yield _checked(place)
        yield _slot(place, _open(place))
    # Envoy takes the n-th name for the n-th attempt, and skips names without a healthy member.
    for place in places:
        yield _composite(aside(place), place.name)
        yield _composite(alone(place), place.name, place.name, _open(place))
    for first, fallback in permutations(places, 2):
        yield _composite(pair(first, fallback), first.name, fallback.name, _open(fallback))


def _endpoint(member: Member, *, leaving: bool) -> Doc:
    # Only the health status may differ: for any other difference Envoy makes a new host, and what is in
    # flight on the old one is not counted any more.
    # The Host header of health checks; otherwise it would be the cluster's name.
    host = "localhost" if member.address.startswith("unix:") else member.address
    return {
        "endpoint": {"address": address(member.address), "health_check_config": {"hostname": host}},
        "health_status": "DRAINING" if leaving else "HEALTHY",
    }


def _checked(place: Place) -> Doc:
    # Without the first, a removed member that is still healthy would go on getting requests.
    return {
        **_slot(place, place.name),
        "ignore_health_on_host_removal": True,
        "health_checks": [_check(place.probe or TCPProbe())],
    }


def _slot(place: Place, name: str) -> Doc:
    return {
        "@type": api("config.cluster.v3.Cluster"),
        "name": name,
        "type": "EDS",
        "connect_timeout": _CONNECT,
        "lb_policy": "LEAST_REQUEST",
        "eds_cluster_config": {"eds_config": file_source(eds_file(place)), "service_name": place.name},
        # No panic: never send to members known to be unhealthy. No merge window: changes act at once.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"},
        "circuit_breakers": _BREAKERS,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": api("extensions.upstreams.http.v3.HttpProtocolOptions"),
                "common_http_protocol_options": {"idle_timeout": _IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _check(probe: Probe) -> Doc:
    """Return Envoy's health check. A command cannot be run by Envoy: the port's answer stands for it."""
    quick, calm = seconds(probe.interval_ms), seconds(max(probe.interval_ms, _CALM_MS))
    check: Doc = {
        "timeout": seconds(probe.timeout_ms),
        # Members that are well are asked less often: checks cost the application real work, warm
        # revisions too. Once one fails, or on its way up, it is asked at the probe's own interval.
        "interval": calm,
        "unhealthy_interval": quick,
        "unhealthy_edge_interval": quick,
        "healthy_edge_interval": quick,
        "no_traffic_interval": quick,
        "no_traffic_healthy_interval": calm,
        "healthy_threshold": probe.successes,
        "unhealthy_threshold": probe.failures,
    }
    if isinstance(probe, HTTPProbe):
        http: Doc = {"path": probe.path, "expected_statuses": [{"start": 200, "end": 400}]}
        if probe.host is not None:
            http["host"] = probe.host
        return {**check, "http_health_check": http}
    return {**check, "tcp_health_check": {}}


def _composite(name: str, *members: str) -> Doc:
    return {
        "@type": api("config.cluster.v3.Cluster"),
        "name": name,
        "connect_timeout": _CONNECT,
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": _BREAKERS,
        "cluster_type": {
            "name": "envoy.clusters.composite",
            "typed_config": {
                "@type": api("extensions.clusters.composite.v3.ClusterConfig"),
                "clusters": [{"name": member} for member in members],
            },
        },
    }
