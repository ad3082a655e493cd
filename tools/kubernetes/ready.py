"""Bring what the tests start a Kubernetes with: ``python -m tools.kubernetes.ready [--node]``, as root on Debian.

Debian's packages are installed where they are missing; the programs are built once, see `tools.kubernetes.build`.
"""

from __future__ import annotations

import sys

from tools.docker_engine import installed
from tools.kubernetes import build

API = ("etcd-server",)
NODE = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "conntrack",
    "iptables",
    "nftables",
    "busybox-static",
)


def main(*, node: bool) -> None:
    """Install and build; what is there stays.

    Args:
        node: Also what pods run on.
    """
    installed(*API, *(NODE if node else ()))
    for name in (*build.PARTS, build.APP) if node else ("kube-apiserver", "kubectl"):
        print(build.build(name), flush=True)
    print(build.gateway_api(), flush=True)


if __name__ == "__main__":
    main(node="--node" in sys.argv[1:])
