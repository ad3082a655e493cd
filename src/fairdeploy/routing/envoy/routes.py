"""The route table: header rules first, then the split. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairdeploy.model import WHOLE
from fairdeploy.routing.envoy.clusters import alone, aside, pair
from fairdeploy.routing.envoy.document import Doc, api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.model import HeaderRoute, Split
    from fairdeploy.model.canonical import JSON
    from fairdeploy.routing.envoy.state import Place, State

__all__ = ["COOKIE", "route_table"]

COOKIE: Final = "fd-sid"
"""The cookie that keeps visitors on their revision: a random number, nothing about the visitor."""

_SAFE: Final = "GET|HEAD|OPTIONS"
"""Methods that may be asked again after the request was sent."""
_RETRY: Final = "connect-failure,refused-stream,reset-before-request"


def route_table(state: State) -> Doc:
    """Return the route table of a state."""
    return {
        "@type": api("config.route.v3.RouteConfiguration"),
        "name": "main",
        "validate_clusters": True,
        "virtual_hosts": [
            {
                # Only who knows the secret host name is told the serial; all others get the application.
                "name": "serial",
                "domains": [state.token],
                "routes": [
                    {
                        "match": {"prefix": "/"},
                        "direct_response": {"status": 200, "body": {"inline_string": str(state.serial)}},
                    }
                ],
            },
            {"name": "app", "domains": ["*"], "routes": [*_routes(state)]},
        ],
    }


def _routes(state: State) -> Iterator[Doc]:
    for rule in state.routes.headers:
        yield from _header_route(state, rule)
    split = state.routes.split
    if split is None:
        yield {
            "match": {"prefix": "/"},
            "direct_response": {"status": 503, "body": {"inline_string": "no revision has traffic\n"}},
        }
    elif state.routes.sticky:
        yield from _sticky(state, split)
    else:
        yield from _by_method(_match(), _action(state, split))


def _sticky(state: State, split: Split) -> Iterator[Doc]:
    """Choose by the hash of a cookie; a visitor without one gets it, and is chosen by the same number."""
    known: Doc = {"name": "cookie", "string_match": {"contains": f"{COOKIE}="}}
    by_cookie: Doc = {"hash_policy": [{"cookie": {"name": COOKIE}}]}
    yield from _by_method(_match(known), {**_action(state, split), **by_cookie})
    secure = "; Secure" if state.tls else ""
    give: Doc = {
        "header": {
            "key": "set-cookie",
            "value": f"{COOKIE}=%REQ(X-REQUEST-ID)%; Path=/; HttpOnly; SameSite=Lax{secure}",
        }
    }
    by_request: Doc = {"hash_policy": [{"header": {"header_name": "x-request-id"}}]}
    for route in _by_method(_match(), {**_action(state, split), **by_request}):
        yield {**route, "response_headers_to_add": [give]}


def _header_route(state: State, rule: HeaderRoute) -> Iterator[Doc]:
    place = state.place(rule.revision)
    if place is not None:
        match = _match({"name": rule.name.lower(), "string_match": {"exact": rule.value}})
        yield from _by_method(match, {"timeout": "0s", "cluster": aside(place)})


def _action(state: State, split: Split) -> Doc:
    """Return where requests go. Without a limit of time: the application knows its own."""
    action: Doc = {"timeout": "0s"}
    # Newest first, whatever the shares: while its share grows, hashing moves visitors in one direction only.
    places = sorted(
        (place for place in state.live if split.share(place.revision)), key=lambda place: -place.slot
    )
    if len(places) == 1:
        action["cluster"] = alone(places[0])
    else:
        weighted: list[JSON] = [
            {"name": pair(place, _fallback(place, places, split)), "weight": split.share(place.revision)}
            for place in places
        ]
        action["weighted_clusters"] = {"clusters": weighted, "use_hash_policy": state.routes.sticky}
    mirror = state.routes.mirror
    copied = state.place(mirror.revision) if mirror else None
    if mirror and copied:
        fraction: Doc = {"numerator": mirror.basis_points, "denominator": "TEN_THOUSAND"}
        action["request_mirror_policies"] = [
            {"cluster": aside(copied), "runtime_fraction": {"default_value": fraction}}
        ]
    return action


def _fallback(place: Place, places: list[Place], split: Split) -> Place:
    """Return who stands in: of the others, the one with the largest share, which is the best proven."""
    others = [other for other in places if other is not place]
    return min(others, key=lambda other: (WHOLE - split.share(other.revision), other.slot))


def _match(*headers: Doc) -> Doc:
    return {"prefix": "/", "headers": [*headers]}


def _by_method(match: Doc, action: Doc) -> Iterator[Doc]:
    """Yield a route for requests that may be repeated after they were sent, and one for all others."""
    headers = match["headers"]
    method: Doc = {"name": ":method", "string_match": {"safe_regex": {"regex": _SAFE}}}
    both: list[JSON] = [*(headers if isinstance(headers, list) else ()), method]
    yield {
        "match": {**match, "headers": both},
        "route": {**action, "retry_policy": _retry(f"{_RETRY},reset")},
    }
    yield {"match": match, "route": {**action, "retry_policy": _retry(_RETRY)}}


def _retry(on: str) -> Doc:
    return {
        "retry_on": on,
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.1s"},
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": api("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")
                },
            }
        ],
        "host_selection_retry_max_attempts": "3",
    }
