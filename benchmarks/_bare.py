"""The peer: an Envoy with the least configuration that can divide traffic, told by renaming one file."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, final

import anyio

from _stage import free_port
from fairdeploy.routing.envoy import binary

__all__ = ["Bare", "bare_envoy"]

Doc: TypeAlias = "dict[str, object]"

_API = "type.googleapis.com/envoy."
_UP_WITHIN_S = 20.0
_HTTP = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


@final
@dataclass(slots=True, kw_only=True)
class Bare:
    """A running Envoy."""

    folder: Path
    port: int = field(default_factory=free_port)
    version: int = 0

    @property
    def routes(self) -> Path:
        """The file that it watches."""
        return self.folder / "rds.json"

    def write(self, weights: Mapping[str, int]) -> None:
        """Divide traffic: write a draft and rename it, nothing more."""
        self.version += 1
        clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
        route = {"timeout": "0s", "weighted_clusters": {"clusters": clusters}}
        host = {"name": "app", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
        table = {
            "@type": f"{_API}config.route.v3.RouteConfiguration",
            "name": "main",
            "virtual_hosts": [host],
        }
        draft = self.routes.with_suffix(".draft")
        draft.write_text(json.dumps({"version_info": str(self.version), "resources": [table]}))
        draft.replace(self.routes)


@asynccontextmanager
async def bare_envoy(folder: Path, addresses: Mapping[str, str]) -> AsyncIterator[Bare]:
    """Run an Envoy in front of instances by name, all traffic on the first, until the block ends."""
    await anyio.Path(folder).mkdir(mode=0o700)
    bare = Bare(folder=folder)
    names = list(addresses)
    bare.write({name: int(name == names[0]) for name in names})
    (folder / "bootstrap.json").write_text(json.dumps(_bootstrap(bare, addresses)))
    found = await binary.find(None)
    argv = [
        str(found),
        "-c",
        str(folder / "bootstrap.json"),
        "--concurrency",
        "2",
        "-l",
        "off",
        "--disable-hot-restart",
    ]
    process = await anyio.open_process(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with anyio.fail_after(_UP_WITHIN_S):
            while not await anyio.to_thread.run_sync(_up, bare.port):  # noqa: ASYNC110 -- it tells nobody
                await anyio.sleep(0.05)
        yield bare
    finally:
        process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


def _up(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _bootstrap(bare: Bare, addresses: Mapping[str, str]) -> Doc:
    source = {"path_config_source": {"path": str(bare.routes)}, "resource_api_version": "V3"}
    router = {"@type": f"{_API}extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{_API}{_HTTP}",
        "stat_prefix": "main",
        "rds": {"route_config_name": "main", "config_source": source},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": "main", "address": _address(f"127.0.0.1:{bare.port}"), "filter_chains": [chain]}
    clusters = [_cluster(name, address) for name, address in addresses.items()]
    return {
        "node": {"id": "bare", "cluster": "bare"},
        "admin": {"address": {"pipe": {"path": str(bare.folder / "admin.sock"), "mode": 0o600}}},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _cluster(name: str, address: str) -> Doc:
    endpoint = {"endpoint": {"address": _address(address)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(text: str) -> Doc:
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
