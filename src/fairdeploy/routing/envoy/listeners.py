"""The listeners, the certificate, and the file that Envoy starts from. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from fairdeploy.routing.envoy.document import Doc, address, api, file_source

if TYPE_CHECKING:
    from fairdeploy.model import TLS
    from fairdeploy.model.canonical import JSON
    from fairdeploy.routing.envoy.state import State

__all__ = ["ADMIN_SOCKET", "CDS", "LDS", "RDS", "SDS", "SERIAL_SOCKET", "bootstrap", "listeners", "secret"]

ADMIN_SOCKET: Final = "admin.sock"
SERIAL_SOCKET: Final = "serial.sock"
CDS: Final = "cds.json"
LDS: Final = "lds.json"
RDS: Final = "rds.json"
SDS: Final = "sds.json"

_BOUNDS_MS: Final = (
    *(1, 2, 3, 4, 5, 7, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750),
    *(1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 30_000, 60_000, 300_000),
)
"""Latency buckets. Envoy measures whole milliseconds."""
_PRIVATE: Final = 0o600


def listeners(state: State) -> list[Doc]:
    """Return the users' listener, and a private one that serves by the same route table.

    A new connection to the private one asks a worker by which serial it serves, without TLS and
    wherever users arrive.
    """
    main = _listener("main", address(state.endpoint))
    if state.tls:
        main = _with_tls(main)
    return [main, _listener("serial", {"pipe": {"path": SERIAL_SOCKET, "mode": _PRIVATE}})]


def secret(tls: TLS) -> Doc:
    """Return where certificate and key lie: in the user's own files.

    They are not copied: Envoy watches their folders itself, so that a renewal by rename is seen
    although no program of ours runs. A new certificate beside the old key is refused and the old
    pair kept, until the key is renamed too.
    """
    return {
        "@type": api("extensions.transport_sockets.tls.v3.Secret"),
        "name": "endpoint",
        "tls_certificate": {
            "certificate_chain": {"filename": tls.certificate},
            "private_key": {"filename": tls.key},
        },
    }


def bootstrap() -> bytes:
    """Return the file that Envoy starts from. It never changes: all else is told by the files it names."""
    buckets: list[JSON] = [float(bound) for bound in _BOUNDS_MS]
    document: Doc = {
        "node": {"id": "fairdeploy", "cluster": "fairdeploy"},
        "admin": {"address": {"pipe": {"path": ADMIN_SOCKET, "mode": _PRIVATE}}},
        # Histograms are merged when they are flushed only.
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"prefix": "cluster."}, "buckets": buckets}]
        },
        "dynamic_resources": {"cds_config": file_source(CDS), "lds_config": file_source(LDS)},
    }
    return json.dumps(document, sort_keys=True).encode()


def _listener(name: str, where: Doc) -> Doc:
    return {
        "@type": api("config.listener.v3.Listener"),
        "name": name,
        "address": where,
        # With a reusable port a second Envoy, or anybody of the same user, could take half of the requests unseen.
        "enable_reuse_port": False,
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{"filters": [_http()]}],
    }


def _http() -> Doc:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": api(
                "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            ),
            "stat_prefix": "main",
            "rds": {"route_config_name": "main", "config_source": file_source(RDS)},
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "use_remote_address": True,
            # Users see the application, not its router.
            "server_header_transformation": "PASS_THROUGH",
            "http_protocol_options": {"accept_http_10": True},
            "http2_protocol_options": {"allow_connect": True},
            "stream_idle_timeout": "0s",
            "common_http_protocol_options": {"idle_timeout": "3600s"},
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": api("extensions.filters.http.router.v3.Router"),
                        "suppress_envoy_headers": True,
                    },
                }
            ],
        },
    }


def _with_tls(listener: Doc) -> Doc:
    socket: Doc = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": api("extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificate_sds_secret_configs": [{"name": "endpoint", "sds_config": file_source(SDS)}],
            },
        },
    }
    return {**listener, "filter_chains": [{"filters": [_http()], "transport_socket": socket}]}
