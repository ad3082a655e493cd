"""Build what the tests run a Kubernetes of: ``python -m tools.kubernetes.build [NAME...]``; what is there stays.

Takes about eight minutes on two cores for everything, one for ``kube-apiserver``; needs Go 1.25 and this folder's modules.
The programs go to ``$FAIRDEPLOY_TOOLS``, or ``~/.cache/fairdeploy-tools/bin``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools import docker_engine

HERE = Path(__file__).resolve().parent
VERSION = "1.34.4"
PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
APP = "fairdeploy-app"
_STAMP = "k8s.io/component-base/version"
_FLAGS = (
    f"-X {_STAMP}.gitVersion=v{VERSION}",
    f"-X {_STAMP}.gitMajor=1",
    f"-X {_STAMP}.gitMinor=34",
)


def build(name: str) -> Path:
    """Build one program unless it is there, and return its path."""
    package = "./app" if name == APP else f"k8s.io/kubernetes/cmd/{name}"
    return docker_engine.build(HERE, package, name, *_FLAGS)


def gateway_api() -> Path:
    """Return the folder with the standard CRDs of the Gateway API, from the pinned Go module.

    Nothing that is built here imports it, so that building has not brought it: it is asked for by name.
    """
    told = docker_engine.run(
        "go", "mod", "download", "-json", "sigs.k8s.io/gateway-api", cwd=HERE, timeout=600
    )
    return Path(json.loads(told)["Dir"]) / "config/crd/standard"


if __name__ == "__main__":
    for each in sys.argv[1:] or (*PARTS, APP):
        print(build(each))
