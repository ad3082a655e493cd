"""What HAProxy is started from, and the maps that it looks requests up in. Pure."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from fairdeploy.model import HTTPProbe
from fairdeploy.routing._address import parts
from fairdeploy.routing.haproxy.seats import PLACES, SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairdeploy.routing.haproxy.state import State

__all__ = ["BOUNDS_MS", "CERTIFICATE", "CONFIG", "SOCKET", "configuration", "maps"]

CONFIG: Final = "haproxy.cfg"
SOCKET: Final = "admin.sock"
CERTIFICATE: Final = "served.pem"
BOUNDS_MS: Final = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000)
_NOWHERE: Final = "127.0.0.1:1"
_MOST_FILES: Final = 40_000

_HEAD: Final = """\
global
    stats socket unix@{socket} mode 600 level admin
    log stderr format raw local0 warning
    fd-hard-limit {files}
    nbthread {threads}
defaults
    log global
    mode http
    balance leastconn
    timeout connect 1s
    timeout check {timeout}ms
    timeout client 1h
    timeout server 1h
    timeout tunnel 24h
    timeout http-keep-alive 1h
    retries 2
    option redispatch 1
    retry-on conn-failure empty-response
    default-server inter {interval}ms rise {rise} fall {fall} pool-purge-delay 1s
backend times
    stick-table type string len 8 size 1k store gpc({buckets})
backend nobody
    http-request return status 503
frontend users
    bind {bind}
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
    http-request set-var(txn.at) date(0,ms)
    http-request set-var(txn.to) req.hdrs,map_reg(headers.map)
    http-request set-var(txn.to) rand(10000),map_int(split.map) if !{{ var(txn.to) -m found }}
    http-request set-var(txn.to) var(txn.to),map(instead.map) if {{ var(txn.to),map(instead.map) -m found }} {{ var(txn.to),nbsrv -m int eq 0 }}
    http-request track-sc0 var(txn.to) table times if {{ var(txn.to) -m found }}
    http-response set-var(txn.took) date(0,ms),sub(txn.at)
{times}
    use_backend %[var(txn.to)] if {{ var(txn.to) -m found }}
    default_backend nobody
"""


def configuration(state: State, threads: int) -> str:
    """Return the whole of a target: HAProxy that starts from it serves by the state without being told more."""
    host, port = parts(state.endpoint)
    secured = f" ssl crt {CERTIFICATE} alpn h2,http/1.1" if state.tls else ""
    head = _HEAD.format(
        socket=SOCKET,
        files=_MOST_FILES,
        threads=threads,
        timeout=max(1_000, state.pace.interval_ms),
        interval=state.pace.interval_ms,
        rise=state.pace.successes,
        fall=state.pace.failures,
        buckets=len(BOUNDS_MS),
        bind=f"[{host}]:{port}{secured}" if ":" in host else f"{host}:{port}{secured}",
        times="\n".join(
            f"    http-response sc-inc-gpc({number},0) if {{ var(txn.took) -m int le {bound} }}"
            for number, bound in enumerate(BOUNDS_MS)
        ),
    )
    seats = {
        (place.name, seat.slot): seat.member.address
        for place in state.places
        for seat in place.seats
        if not seat.leaving
    }
    return head + "".join(line for name in PLACES for line in _place(name, seats))


def _place(name: str, seats: Mapping[tuple[str, int], str]) -> Iterator[str]:
    yield f"backend {name}\n"
    if name.startswith("h"):
        yield (
            "    option httpchk\n"
            f'    http-check send meth GET uri-lf "%[str({name}),map(paths.map,/)]" ver HTTP/1.1 '
            f'hdr Host "%[str({name}),map(hosts.map,localhost)]" hdr User-Agent fairdeploy-probe hdr Connection close\n'
            "    http-check expect status 200-399\n"
        )
    addresses = [(slot, seats.get((name, slot))) for slot in range(1, SLOTS + 1)]
    for slot, address in addresses:
        yield f"    server m{slot} {address or _NOWHERE} check{'' if address else ' disabled'}\n"
    yield f"backend {name}x\n"  # for header rules: what they send is not counted with the rest
    for slot, address in addresses:
        yield f"    server m{slot} {address or _NOWHERE} track {name}/m{slot}\n"


def maps(state: State) -> dict[str, list[tuple[str, str]]]:
    """Return what requests and checks are looked up in, by file: who is asked for it, and the answer."""
    places = {place.revision: place for place in state.places if not place.retired}
    shares = dict(state.routes.split.shares) if state.routes.split else {}
    given = [(places[revision].name, share) for revision, share in sorted(shares.items()) if share]
    ends = list(accumulate(share for _, share in given))
    split = [(f"{end - share}:{end - 1}", name) for (name, share), end in zip(given, ends, strict=True)]
    instead = [
        (name, max((each for each in given if each[0] != name), key=lambda each: each[1])[0])
        for name, _ in given
        if len(given) > 1
    ]
    probes = [(place.name, place.probe) for place in places.values() if isinstance(place.probe, HTTPProbe)]
    return {
        "split.map": split,
        "instead.map": instead,
        "headers.map": [
            (_header(rule.name, rule.value), f"{places[rule.revision].name}x")
            for rule in state.routes.headers
        ],
        "paths.map": [(name, probe.path) for name, probe in probes],
        "hosts.map": [(name, probe.host) for name, probe in probes if probe.host],
    }


def _header(name: str, value: str) -> str:
    """Return a pattern for one line of a request's head, which has names in lower case; no blank may stand in it."""
    return f"(^|\\x0a){_plain(name.lower())}\\x3a[[:space:]]*{_plain(value)}[[:space:]]*\\x0d"


def _plain(text: str) -> str:
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}" for byte in text.encode()
    )
