"""A real Kubernetes for the session: an API server for what the API decides, a whole cluster where pods must run.

``FAIRDEPLOY_KUBECONFIG`` names another cluster to be used instead; its pods must find the images of `tools/kubernetes`.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import pytest

from tools import docker_engine
from tools.kubernetes import build
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.node import Node
from tools.kubernetes.processes import NotStarted, Processes, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["GATEWAY", "Reached", "api_server", "gateway", "namespace", "running", "whole_cluster"]

GATEWAY = "default/web"
"""The Gateway of the fixture `gateway`."""

_NUMBERS = itertools.count(1)
_API = ("etcd",)
_NODE = ("containerd", "ctr", "runc", "iptables", "nft")


@final
@dataclass(frozen=True)
class Reached:
    """A cluster that can be asked.

    Args:
        kubeconfig: Of its administrator.
        cluster: If it is one of ours.
    """

    kubeconfig: Path
    cluster: Cluster | None = None

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl as the administrator, and return what it says."""
        ran = subprocess.run(
            [str(build.build("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


def _missing(programs: tuple[str, ...], parts: tuple[str, ...]) -> str:
    lacking = [each for each in programs if shutil.which(each) is None]
    if shutil.which("go") is None:
        lacking += [each for each in parts if not (docker_engine.PROGRAMS / each).exists()]
    return ", ".join(lacking)


def _refuse(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running(*, node: bool) -> Iterator[Reached]:
    """Give etcd and an API server while the block runs, with a ``node`` all of a cluster: or skip, with the reason."""
    given = os.environ.get("FAIRDEPLOY_KUBECONFIG")
    if given:
        yield Reached(Path(given))
        return
    if missing := _missing((*_API, *(_NODE if node else ())), ("kube-apiserver",)):
        _refuse(f"no Kubernetes here: {missing} missing, see tools/kubernetes")
    if node and os.geteuid() != 0:
        _refuse("a whole Kubernetes needs root here; name another in FAIRDEPLOY_KUBECONFIG")
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="fd-kubernetes-")))
    rest = Node(cluster) if node else None
    try:
        cluster.start()
        if rest is not None:
            rest.start()
        yield Reached(cluster.kubeconfig(), cluster)
    except NotStarted as error:
        _refuse(str(error))
    finally:
        if rest is not None:
            rest.stop()
        cluster.stop()


@pytest.fixture(scope="session")
def api_server() -> Iterator[Reached]:
    """Give etcd and an API server with RBAC: 10 s to start."""
    with running(node=False) as reached:
        yield reached


@pytest.fixture(scope="session")
def whole_cluster() -> Iterator[Reached]:
    """Give a cluster in which pods run: 30 s to start, for root."""
    with running(node=True) as reached:
        yield reached


@pytest.fixture(scope="session")
def gateway(whole_cluster: Reached, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give ``host:port`` where a Gateway listens, carried out by Traefik."""
    processes, (port,) = Processes(tmp_path_factory.mktemp("traefik")), free_ports(1)
    config = json.loads(whole_cluster.kubeconfig.read_text())
    there, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    whole_cluster.kubectl("apply", "--server-side", "-f", str(build.gateway_api()))
    whole_cluster.kubectl("wait", "--for=condition=Established", "crd/httproutes.gateway.networking.k8s.io")
    whole_cluster.kubectl("apply", "-f", "-", given=json.dumps(_gateway(port)))
    options = {
        "entrypoints.web.address": f"127.0.0.1:{port}",
        "providers.kubernetesgateway": "true",
        "providers.kubernetesgateway.endpoint": there["server"],
        "providers.kubernetesgateway.token": user["token"],
        "providers.kubernetesgateway.certauthfilepath": there["certificate-authority"],
        "providers.providersthrottleduration": "100ms",
        "metrics.prometheus": "true",
        "metrics.prometheus.entrypoint": "web",
        "metrics.prometheus.addserviceslabels": "true",
    }
    traefik = Path(sys.executable).with_name("traefik")
    processes.start("traefik", [str(traefik), *(f"--{key}={value}" for key, value in options.items())])
    try:
        processes.until("traefik", lambda: _answers(port))
        yield f"127.0.0.1:{port}"
    finally:
        processes.stop_all()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _gateway(port: int) -> dict[str, object]:
    api = "gateway.networking.k8s.io/v1"
    kind = {
        "apiVersion": api,
        "kind": "GatewayClass",
        "metadata": {"name": "traefik"},
        "spec": {"controllerName": "traefik.io/gateway-controller"},
    }
    listener = {
        "name": "web",
        "port": port,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    door = {
        "apiVersion": api,
        "kind": "Gateway",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [kind, door]}


@contextmanager
def namespace(reached: Reached) -> Iterator[str]:
    """Give a namespace of a test's own, and take it away."""
    name = f"fd-{os.getpid()}-{next(_NUMBERS)}"
    reached.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        reached.kubectl("delete", "namespace", name, "--wait=false")
