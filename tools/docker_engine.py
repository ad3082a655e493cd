"""Make sure that a Docker Engine with Compose answers: `python tools/docker_engine.py`.

A running engine is used as it is. Where there is none, and we are root on Debian, the engine is installed from Debian's
packages and started in a session of its own; it outlives this program. Compose is built from the module that `tools/compose`
pins, once, into a cache folder: it needs Go, and minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["CACHE", "PROGRAMS", "build", "installed", "main", "run"]

ROOT = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fairdeploy-tools"
"""Where programs that were built stay; removing it costs minutes, nothing else."""
PROGRAMS = Path(os.environ.get("FAIRDEPLOY_TOOLS") or CACHE / "bin")
"""The programs themselves."""
_PLUGINS = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
_COMPOSE = "v2.40.3"
_START_S = 60.0
_INSTALL_S = 600.0
_BUILD_S = 1800.0


def run(*argv: str, timeout: float = 60.0, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program to its end; end ourselves, with its words, if it fails.

    Returns:
        What it printed.
    """
    ran = subprocess.run(
        argv,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
    if ran.returncode != 0:
        sys.exit(f"{' '.join(argv)} exited with {ran.returncode}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.stdout


def _answers(*argv: str) -> bool:
    try:
        return subprocess.run(argv, check=False, capture_output=True, timeout=30).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def _installed(package: str) -> bool:
    """Whether a package is there: one that was removed is still known by its configuration."""
    asked = ["dpkg-query", "--show", "--showformat=${Status}", package]
    told = (
        subprocess.run(asked, check=False, capture_output=True, text=True, timeout=30)
        if shutil.which(asked[0])
        else None
    )
    return told is not None and told.stdout == "install ok installed"


def installed(*packages: str) -> None:
    """Install Debian's packages, the ones that are not there."""
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(
            f"{', '.join(missing)} missing, and only root on Debian installs here: install them, then try again"
        )
    noninteractive = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", timeout=_INSTALL_S)
    run(
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        *missing,
        timeout=_INSTALL_S,
        env=noninteractive,
    )


def build(module: Path, package: str, program: str, *flags: str) -> Path:
    """Build a Go program into the cache folder, unless it is there.

    Args:
        module: The folder with the `go.mod` that pins it.
        package: Its import path.
        program: What to call it.
        flags: For the linker.
    """
    built = PROGRAMS / program
    if built.exists():
        return built
    if shutil.which("go") is None:
        sys.exit(
            f"{program} is not there and Go, which builds it, is not installed: https://go.dev/doc/install"
        )
    print(f"building {program} from {package}: minutes, once", flush=True)
    built.parent.mkdir(parents=True, exist_ok=True)
    beside = built.with_name(f".{program}.{os.getpid()}")
    linker = " ".join(("-s", "-w", *flags))
    static = {"CGO_ENABLED": "0"}
    run(
        "go",
        "build",
        "-ldflags",
        linker,
        "-o",
        str(beside),
        package,
        timeout=_BUILD_S,
        cwd=module,
        env=static,
    )
    beside.replace(built)
    return built


def _engine() -> None:
    if _answers("docker", "info"):
        return
    installed("docker.io", "iptables")
    print("starting dockerd", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    until = time.monotonic() + _START_S
    while not _answers("docker", "info"):
        if daemon.poll() is not None or time.monotonic() > until:
            sys.exit(
                f"dockerd does not answer; its last words:\n{(CACHE / 'dockerd.log').read_text()[-2000:]}"
            )
        time.sleep(0.2)


def _compose() -> None:
    if _answers("docker", "compose", "version"):
        return
    version = f"-X github.com/docker/compose/v2/internal.Version={_COMPOSE}"
    built = build(ROOT / "compose", "github.com/docker/compose/v2/cmd", "docker-compose", version)
    _PLUGINS.mkdir(parents=True, exist_ok=True)
    shutil.copy2(built, _PLUGINS / "docker-compose")


def main() -> None:
    """Bring up what is missing, and say what answers."""
    if not Path("/bin/busybox").exists():  # the shell of the images that the tests make
        installed("busybox-static")
    _engine()
    _compose()
    print(run("docker", "version", "--format", "engine {{.Server.Version}}").strip())
    print(run("docker", "compose", "version").strip())


if __name__ == "__main__":
    main()
