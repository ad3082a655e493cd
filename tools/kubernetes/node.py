"""The rest of a whole cluster, on this machine, for root: a container runtime of its own, kubelet, proxy and controllers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools.kubernetes import build, images
from tools.kubernetes.processes import free_ports

if TYPE_CHECKING:
    from tools.kubernetes.cluster import Cluster

__all__ = ["APP", "BOX", "Node"]

APP = "fairdeploy/app:1"
"""The image of ``app/main.go``."""
BOX = "fairdeploy/box:1"
"""An image with a shell."""
PAUSE = "registry.k8s.io/pause:3.10"
_SUBNET = "10.244.0.0/16"
_BRIDGE = "fdcni0"
_TOOLS = ("sh", "sleep", "echo", "date", "true", "false", "cat", "kill", "ls")
_HARD = {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"}


class Node:
    """A node and the controllers of a cluster.

    Args:
        cluster: Whose API server is there, or will be when it is started.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.root = cluster.folder / "node"
        self.socket = self.root / "containerd.sock"
        self._processes = cluster.processes

    def start(self) -> None:
        """Start everything, and wait until the node is ready."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._start_runtime()
        self._import_images()
        config = str(self.cluster.kubeconfig())
        self._start_controllers(config)
        self._start_kubelet(config)
        self._processes.until("kubelet", self._ready, seconds=180)

    def _start_runtime(self) -> None:
        networks = self.root / "net.d"
        networks.mkdir(exist_ok=True)
        chain: dict[str, object] = {
            "cniVersion": "1.0.0",
            "name": "fairdeploy",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": _BRIDGE,
                    "isGateway": True,
                    "ipMasq": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": _SUBNET}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                        "dataDir": str(self.root / "cni"),
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
                {"type": "firewall"},
            ],
        }
        (networks / "10-fairdeploy.conflist").write_text(json.dumps(chain))
        config = self.root / "containerd.toml"
        config.write_text(
            f"""version = 2
root = "{self.root / "images"}"
state = "{self.root / "state"}"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{networks}"
"""
        )
        self._processes.start("containerd", ["containerd", "--config", str(config)])
        self._processes.until("containerd", self.socket.exists)

    def _import_images(self) -> None:
        busybox = Path("/bin/busybox")
        box, app = {"bin/busybox": busybox}, {"bin/app": build.build(build.APP)}
        links = {f"bin/{tool}": "busybox" for tool in _TOOLS}
        forever = ("/bin/busybox", "sleep", "2147483647")
        images.archive(self.root / "pause.tar", PAUSE, box, entrypoint=forever)
        images.archive(self.root / "box.tar", f"docker.io/{BOX}", box, links=links)
        images.archive(
            self.root / "app.tar", f"docker.io/{APP}", {**box, **app}, links=links, entrypoint=("/bin/app",)
        )
        for name in ("pause", "box", "app"):
            self._ctr("images", "import", str(self.root / f"{name}.tar"))

    def _ctr(self, *arguments: str, check: bool = True) -> str:
        ran = subprocess.run(
            ["ctr", "-a", str(self.socket), "-n", "k8s.io", *arguments],
            capture_output=True,
            text=True,
            check=check,
            timeout=60,
        )
        return ran.stdout

    def _start_controllers(self, config: str) -> None:
        manager, scheduler = free_ports(2)
        folder = self.cluster.folder
        self._processes.start(
            "kube-controller-manager",
            [
                str(build.build("kube-controller-manager")),
                f"--kubeconfig={config}",
                f"--service-account-private-key-file={folder / 'sa.key'}",
                f"--root-ca-file={self.cluster.ca}",
                "--leader-elect=false",
                f"--secure-port={manager}",
                f"--cert-dir={self.root / 'manager'}",
                "--bind-address=127.0.0.1",
                "--horizontal-pod-autoscaler-sync-period=2s",
            ],
        )
        self._processes.start(
            "kube-scheduler",
            [
                str(build.build("kube-scheduler")),
                f"--kubeconfig={config}",
                "--leader-elect=false",
                f"--secure-port={scheduler}",
                f"--cert-dir={self.root / 'scheduler'}",
                "--bind-address=127.0.0.1",
            ],
        )

    def _start_kubelet(self, config: str) -> None:
        kubelet, healthz, metrics, proxy = free_ports(4)
        settings = self.root / "kubelet.json"
        settings.write_text(
            json.dumps(
                {
                    "kind": "KubeletConfiguration",
                    "apiVersion": "kubelet.config.k8s.io/v1beta1",
                    "cgroupDriver": "cgroupfs",
                    "failSwapOn": False,
                    "failCgroupV1": False,
                    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
                    "authorization": {"mode": "AlwaysAllow"},
                    "containerRuntimeEndpoint": f"unix://{self.socket}",
                    "evictionHard": _HARD,
                    "imageGCHighThresholdPercent": 100,
                    "port": kubelet,
                    "healthzPort": healthz,
                    "maxPods": 250,
                    "resolvConf": "",
                }
            )
        )
        self._processes.start(
            "kubelet",
            [
                str(build.build("kubelet")),
                f"--kubeconfig={config}",
                f"--config={settings}",
                "--hostname-override=node1",
                f"--root-dir={self.root / 'kubelet'}",
                f"--cert-dir={self.root / 'kubelet-certs'}",
            ],
        )
        self._processes.start(
            "kube-proxy",
            [
                str(build.build("kube-proxy")),
                f"--kubeconfig={config}",
                "--hostname-override=node1",
                "--proxy-mode=nftables",
                f"--cluster-cidr={_SUBNET}",
                "--conntrack-max-per-core=0",
                f"--metrics-bind-address=127.0.0.1:{metrics}",
                f"--healthz-bind-address=127.0.0.1:{proxy}",
            ],
        )

    def _ready(self) -> bool:
        found = json.loads(self.cluster.get("/api/v1/nodes/node1") or b'{"status": {}}')
        conditions = found["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def stop(self) -> None:
        """End the pods, what runs them, and take away what they have left on this machine."""
        for name in ("kube-proxy", "kubelet", "kube-scheduler", "kube-controller-manager"):
            self._processes.stop(name)
        if self.socket.exists():
            for task in self._ctr("tasks", "ls", "-q", check=False).split():
                self._ctr("tasks", "kill", "-s", "SIGKILL", task, check=False)
            time.sleep(1)
        self._processes.stop("containerd")
        self._end_shims()
        self._unmount()
        for argv in (
            ["ip", "link", "delete", _BRIDGE],
            ["nft", "delete", "table", "ip", "kube-proxy"],
            ["nft", "delete", "table", "ip6", "kube-proxy"],
        ):
            subprocess.run(argv, capture_output=True, check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def _end_shims(self) -> None:
        """End the shims of this runtime: their arguments name its socket."""
        mark = str(self.socket).encode()
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = each.read_bytes()
                if b"containerd-shim" in words.split(b"\0")[0] and mark in words:
                    os.kill(int(each.parent.name), 9)

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((each for each in mounts if each.startswith(f"{self.root}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], capture_output=True, check=False)
