"""Whether the machine will do: Docker, memory, disk, processors, clock, certificate."""

from __future__ import annotations

import os
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from fairdeploy.provision.on_premise._run import has, run
from fairdeploy.provision.on_premise.step import Seen, Step

if TYPE_CHECKING:
    from fairdeploy.model import TLS
    from fairdeploy.provision.on_premise.wanted import Server

__all__ = ["machine_steps"]

_GB: Final = 1024**3
_ROOT: Final = Path("/var/lib/docker")
_SOON: Final = timedelta(days=14)
_INSTALL: Final = {
    "debian": "apt-get update && apt-get install -y docker.io docker-compose-plugin",
    "ubuntu": "apt-get update && apt-get install -y docker.io docker-compose-v2",
    "fedora": "dnf install -y moby-engine docker-compose",
    "rhel": "dnf install -y docker-ce docker-compose-plugin (from Docker's repository)",
}


def machine_steps(server: Server) -> list[Step]:
    """Return the steps that only look: nothing of the machine is installed or changed."""
    steps = [
        Step(name="docker", look=_docker),
        Step(name="memory", look=lambda: _memory(server), required=False),
        Step(name="disk", look=lambda: _disk(server), required=False),
        Step(name="cpu", look=lambda: _cpu(server), required=False),
        Step(name="clock", look=_clock, required=False),
    ]
    tls = server.tls
    if tls is not None:
        steps.append(Step(name="tls", look=lambda: _tls(tls)))
    elif 443 in server.ports:
        steps.append(Step(name="tls", look=_no_tls, required=False))
    return steps


async def _docker() -> Seen:
    if not has("docker"):
        return Seen(done=False, says="Docker is not installed", remedy=f"as root: {_install()}")
    ran = await run(["docker", "info", "--format", "{{.ServerVersion}}"], deadline=20)
    version = ran.printed.strip()
    if ran.status == 0 and version:
        return Seen(done=True, says=f"Docker Engine {version} answers")
    if "permission denied" in ran.said.lower():
        return Seen(
            done=False,
            says="this user may not use Docker's socket",
            remedy="as root: usermod -aG docker USER (which makes USER as mighty as root), then log in again",
        )
    start = "systemctl enable --now docker" if has("systemctl") else "service docker start"
    return Seen(done=False, says="Docker is installed, and no engine answers", remedy=f"as root: {start}")


def _install() -> str:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    names = [values.get("ID", ""), *values.get("ID_LIKE", "").strip('"').split()]
    known = (_INSTALL.get(name.strip('"')) for name in names)
    return next(filter(None, known), "install Docker Engine as https://docs.docker.com/engine/install says")


async def _memory(server: Server) -> Seen:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GB
    return _enough(total, server.memory_gb, "GB of memory", "add memory, or run fewer services")


async def _disk(server: Server) -> Seen:
    folder = _ROOT if _ROOT.is_dir() else Path("/")
    free = (await anyio.to_thread.run_sync(shutil.disk_usage, folder)).free / _GB
    return _enough(
        free, server.disk_gb, f"GB free below {folder}", "make room: images, data and backups need it"
    )


async def _cpu(server: Server) -> Seen:
    return _enough(
        os.cpu_count() or 1, server.cpus, "processors", "two versions run at once during a rollout"
    )


def _enough(have: float, want: float, what: str, remedy: str) -> Seen:
    says = f"{have:.3g} {what}" + ("" if have >= want else f", {want:g} are advised")
    return Seen(done=have >= want, says=says, remedy="" if have >= want else remedy)


async def _clock() -> Seen:
    if not has("timedatectl"):
        return Seen(
            done=False,
            says="nobody here says whether the clock is kept",
            remedy="run chrony or systemd-timesyncd",
        )
    ran = await run(["timedatectl", "show", "--property=NTPSynchronized", "--value"], deadline=10)
    kept = ran.printed.strip() == "yes"
    says = "the clock is kept" if kept else "the clock is not known to be kept"
    return Seen(done=kept, says=says, remedy="" if kept else "as root: timedatectl set-ntp true")


async def _no_tls() -> Seen:
    remedy = (
        "get a certificate (certbot, acme.sh, or your institution), and give it as tls=TLS(certificate, key)"
    )
    return Seen(done=False, says="no certificate is given for port 443", remedy=remedy)


async def _tls(tls: TLS) -> Seen:
    return await anyio.to_thread.run_sync(_certificate, tls)


def _certificate(tls: TLS) -> Seen:
    """See that a certificate can be used, and for how long. Blocks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
        loose = Path(tls.key).stat().st_mode & 0o077
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(tls.certificate)
    except (OSError, ValueError) as exc:
        remedy = "give readable PEM files that belong together, the key without a password"
        return Seen(done=False, says=f"{tls.certificate!r} cannot be used: {exc}", remedy=remedy)
    ends = [str(each["notAfter"]) for each in trust.get_ca_certs()]
    if loose:
        return Seen(done=False, says=f"others can read the key {tls.key!r}", remedy=f"chmod 600 {tls.key}")
    last = min((datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) for end in ends), default=None)
    if last is not None and last - datetime.now(UTC) < _SOON:
        return Seen(done=False, says=f"the certificate ends on {last:%Y-%m-%d}", remedy="renew it")
    return Seen(done=True, says="the certificate can be used" + (f" until {last:%Y-%m-%d}" if last else ""))
