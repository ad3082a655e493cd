"""Ports of the firewall, opened only with consent: firewalld, ufw, nftables."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fairdeploy.provision.on_premise import nftables
from fairdeploy.provision.on_premise._run import has, run
from fairdeploy.provision.on_premise.step import Seen, Step

if TYPE_CHECKING:
    from fairdeploy.provision.on_premise.wanted import Server

__all__ = ["firewall_steps", "ufw_lets_in"]

_KEEP: Final = "a rule of nftables ends with the machine: write it to the file that it loads at boot, /etc/nftables.conf on Debian"


def firewall_steps(server: Server) -> list[Step]:
    """Return a step per port."""
    return [
        Step(
            name=f"firewall:{port}",
            look=lambda port=port: _look(port),  # type: ignore[misc]  # bound early
            act=lambda port=port: _open(port),  # type: ignore[misc]  # bound early
            required=False,
            consent=True,
        )
        for port in server.ports
    ]


async def _kind() -> str:
    """Return which firewall is at work: ``firewalld``, ``ufw``, ``nftables``, or nothing."""
    if has("firewall-cmd") and (await run(["firewall-cmd", "--state"], deadline=10)).status == 0:
        return "firewalld"
    if has("ufw") and "Status: active" in (await run(["ufw", "status"], deadline=10)).printed:
        return "ufw"
    if has("nft") and await nftables.closing():
        return "nftables"
    return ""


async def _look(port: int) -> Seen:
    kind = await _kind()
    if kind == "firewalld":
        is_open = await _firewalld_lets_in(port) and await _firewalld_lets_in(port, "--permanent")
    elif kind == "ufw":
        listed = (await run(["ufw", "status"], deadline=10)).printed
        is_open = ufw_lets_in(listed, port)
    elif kind == "nftables":
        is_open = not any(each.closed_to(port) for each in await nftables.closing())
    else:
        return Seen(done=True, says=f"no firewall is at work here that would keep port {port} closed")
    says = f"{kind} lets port {port}/tcp " + ("through" if is_open else "not through")
    remedy = (
        _KEEP
        if is_open and kind == "nftables"
        else ""
        if is_open
        else f"agree by consent={{'firewall:{port}'}}"
        + ("; a database is better left closed to the world" if port != 443 else "")
    )
    return Seen(done=is_open, says=says, remedy=remedy)


async def _firewalld_lets_in(port: int, *scope: str) -> bool:
    """Whether a port is open by its number, or as the service that is known by it, such as ``https``."""
    asked = [f"--query-port={port}/tcp"]
    with suppress(OSError):
        asked.append(f"--query-service={socket.getservbyport(port, 'tcp')}")
    return any([(await run(["firewall-cmd", *scope, each], deadline=10)).status == 0 for each in asked])


def ufw_lets_in(listed: str, port: int) -> bool:
    """Whether ``ufw status`` lists a port as open to everybody: the first of its rules that means everybody decides."""
    found = re.search(rf"(?m)^{port}(?:/tcp)?\s+(ALLOW|LIMIT|DENY|REJECT)(?: IN)?\s+Anywhere", listed)
    return found is not None and found[1] in {"ALLOW", "LIMIT"}


async def _open(port: int) -> None:
    kind = await _kind()
    if kind == "firewalld":
        for scope in ([], ["--permanent"]):
            (await run(["firewall-cmd", *scope, f"--add-port={port}/tcp"])).must("opening the port")
    elif kind == "ufw":
        (await run(["ufw", "prepend", "allow", f"{port}/tcp"])).must("opening the port")
    elif kind == "nftables":
        for each in await nftables.closing():
            if each.closed_to(port):
                await each.open(port)
