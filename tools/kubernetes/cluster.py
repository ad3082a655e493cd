"""A real Kubernetes on this machine: ``python -m tools.kubernetes.cluster FOLDER [--node]`` runs one until it is interrupted.

Without a node it is etcd and an API server with RBAC: enough for what the API itself decides. With one, pods run.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tools.kubernetes import build
from tools.kubernetes.processes import Processes, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cluster"]

ADMIN = "admin"


class Cluster:
    """etcd and an API server, in a folder of their own.

    Args:
        folder: Empty or missing. Removed by `stop`.
        users: Who else may ask, besides the administrator; what they may do is for RBAC to say.
    """

    def __init__(self, folder: Path, users: tuple[str, ...] = ("deployer",)) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.processes = Processes(folder)
        self.tokens = {user: secrets.token_hex(16) for user in (ADMIN, *users)}
        self.etcd_port, peers, self.port = free_ports(3)
        self._etcd = (f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{peers}")
        self.url = f"https://127.0.0.1:{self.port}"
        self._write_keys()

    @property
    def ca(self) -> Path:
        """The authority that signs the server's certificate."""
        return self.folder / "ca.crt"

    def _write_keys(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        served = authority.issue_cert(
            "127.0.0.1", "localhost", "10.96.0.1", "kubernetes.default.svc", _address()
        )
        served.private_key_pem.write_to_path(str(self.folder / "server.key"))
        for number, blob in enumerate(served.cert_chain_pems):
            blob.write_to_path(str(self.folder / "server.crt"), append=number > 0)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "sa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (self.folder / "sa.pub").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        rows = [f'{self.tokens[ADMIN]},{ADMIN},1,"system:masters"']
        rows += [f"{token},{user},{user}" for user, token in self.tokens.items() if user != ADMIN]
        (self.folder / "tokens.csv").write_text("\n".join(rows) + "\n")

    def start(self) -> None:
        """Start etcd and the API server, and wait until it is ready."""
        client, peer = self._etcd
        self.processes.start(
            "etcd",
            [
                "etcd",
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
            ],
        )
        self.start_server()

    def start_server(self) -> None:
        """Start the API server alone; after `stop_server` it is the same again."""
        self.processes.start(
            "kube-apiserver",
            [
                str(build.build("kube-apiserver")),
                f"--etcd-servers={self._etcd[0]}",
                "--bind-address=127.0.0.1",
                f"--advertise-address={_address()}",
                f"--secure-port={self.port}",
                f"--tls-cert-file={self.folder / 'server.crt'}",
                f"--tls-private-key-file={self.folder / 'server.key'}",
                f"--cert-dir={self.folder / 'certs'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self.folder / 'sa.pub'}",
                f"--service-account-signing-key-file={self.folder / 'sa.key'}",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--allow-privileged=true",
                "--kubelet-preferred-address-types=InternalIP",
                "--disable-admission-plugins=ServiceAccount",
            ],
        )
        self.processes.until("kube-apiserver", self._ready)

    def stop_server(self) -> None:
        """End the API server alone."""
        self.processes.stop("kube-apiserver")

    def _ready(self) -> bool:
        try:
            return self.get("/readyz") == b"ok"
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> bytes:
        """Ask the API server something, as the administrator; nothing if it refuses."""
        answer = httpx.get(
            self.url + path,
            headers={"Authorization": f"Bearer {self.tokens[ADMIN]}"},
            verify=ssl.create_default_context(cafile=str(self.ca)),
            timeout=5,
            trust_env=False,
        )
        return answer.content if answer.is_success else b""

    def kubeconfig(self, user: str = ADMIN, namespace: str = "default") -> Path:
        """Write how a user reaches it, and return the file."""
        path = self.folder / f"{user}-{namespace}.kubeconfig"
        content: Mapping[str, object] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "here", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}
            ],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "here", "user": user, "namespace": namespace}}
            ],
            "current-context": "here",
        }
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return path

    def stop(self) -> None:
        """End what was started, and remove the folder."""
        self.processes.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)


def _address() -> str:
    """Return the address of this machine's own that a route outwards would begin at; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "10.255.255.1"


def main(arguments: list[str]) -> int:
    """Run a cluster until SIGINT or SIGTERM."""
    from tools.kubernetes.node import Node  # noqa: PLC0415 -- it names this module for its types

    cluster = Cluster(Path(arguments[0]).absolute())
    node = Node(cluster) if "--node" in arguments else None
    try:
        cluster.start()
        if node is not None:
            node.start()
        print(f"KUBECONFIG={cluster.kubeconfig()}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        if node is not None:
            node.stop()
        cluster.stop()
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.exit(main(sys.argv[1:]))
