"""What HAProxy does that the suite of all routers does not ask: restarts, fallbacks, certificates, and what is refused."""

from __future__ import annotations

import os
import signal
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
import trustme
from anyio.streams.tls import TLSAttribute

from fairdeploy.errors import InvalidInput, MissingDependency, RouterError
from fairdeploy.model import TLS, Member, Pool, Routes, Split
from fairdeploy.routing.haproxy import HAProxyRouter
from fairdeploy.routing.haproxy.binary import VARIABLE
from tests.routing.conftest import FENCE, light_binary, pool
from tests.routing.keeper import kept
from tests.routing.test_envoy import browser, eventually, serve, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fairdeploy.model import Target
    from tests.routing.application import Application
    from tests.routing.keeper import TaskKeeper

pytestmark = [pytest.mark.anyio, pytest.mark.local]


@pytest.fixture
async def light_keeper() -> AsyncIterator[TaskKeeper]:
    """Keep HAProxies for the time of a test."""
    await light_binary()
    async with kept() as keeper:
        yield keeper


@pytest.fixture
def light(light_keeper: TaskKeeper, tmp_path: Path) -> HAProxyRouter:
    """Open a router on an empty folder."""
    return HAProxyRouter(tmp_path, light_keeper)


async def test_a_killed_haproxy_comes_back_with_its_routes(
    light: HAProxyRouter, light_keeper: TaskKeeper, target: Target, old: Application, new: Application
) -> None:
    """What it is started from is written before it is told: members, shares and all."""
    routes = Routes((pool(old), pool(new)), split=Split.all_to("old"))
    await serve(light, target, routes)
    await serve(light, target, replace(routes, split=Split.all_to("new")))
    before = dict(await light.counters(target))["new"].incarnation
    (state,) = (await light_keeper.states()).values()
    assert state.pid is not None
    os.kill(state.pid, signal.SIGKILL)

    async def back() -> bool:
        seen = (await light_keeper.states()).values()
        return all(each.pid not in {None, state.pid} for each in seen)

    await eventually(back)
    seen = await until(light, target, lambda now: now.acknowledged and len(now.healthy) == 2, restarting=True)
    assert seen.split == Split.all_to("new")
    async with browser(target) as client:
        assert (await client.get("/")).text == "new"

    async def counted() -> bool:  # when it is through with the request, which is after the answer
        now = dict(await light.counters(target))["new"]
        return now.incarnation != before and sum(now.latency.counts[-1:]) == now.requests == 1

    await eventually(counted)


async def test_requests_go_elsewhere_while_a_revision_is_unwell(
    light: HAProxyRouter, target: Target, old: Application, new: Application
) -> None:
    """Once its checks have failed, the other revision stands in; when they pass again, it has its share back."""
    await serve(light, target, Routes((pool(old), pool(new)), split=Split.between("old", "new", 5_000)))
    new.healthy = False
    await until(light, target, lambda seen: seen.healthy == {"old-1"})
    async with browser(target) as client:
        assert {(await client.get("/")).text for _ in range(20)} == {"old"}
        new.healthy = True
        await until(light, target, lambda seen: len(seen.healthy) == 2)
        assert {(await client.get("/")).text for _ in range(30)} == {"old", "new"}


async def test_it_serves_a_certificate_and_its_renewal(
    light: HAProxyRouter, target: Target, old: Application, tmp_path: Path
) -> None:
    """The new one is served to who comes next, without a restart."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    certificate, key = tmp_path / "site.crt", tmp_path / "site.key"
    secured = replace(target, tls=TLS(str(certificate), str(key)))
    routes = Routes((pool(old),), split=Split.all_to("old"))
    serials = []
    for number in range(2):
        issued = authority.issue_cert("127.0.0.1", common_name=f"issue {number}")
        certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        await serve(light, secured, routes)
        async with await anyio.connect_tcp(
            "127.0.0.1", target.address[1], ssl_context=context, tls_standard_compatible=False
        ) as stream:
            served = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 -- of a socket
            assert served is not None
            serials.append(served["serialNumber"])
    assert len(set(serials)) == 2
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=60) as client:
        assert (await client.get(f"https://{target.endpoint}/")).text == "old"


async def test_what_it_cannot_serve_is_refused(
    light: HAProxyRouter, target: Target, old: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unix sockets, more members than slots, another endpoint while it serves; and a HAProxy that is none."""
    good = Routes((pool(old),), split=Split.all_to("old"))
    await serve(light, target, good)
    for members, error, said in (
        ((Member("old-1", f"unix:{tmp_path}/app.sock"),), InvalidInput, "addresses with a port"),
        (
            tuple(Member(f"m{n}", f"127.0.0.1:{n + 1}") for n in range(33)),
            RouterError,
            "more than 32 members",
        ),
    ):
        with pytest.raises(error, match=said):
            await light.apply(target, Routes((Pool("old", members),)), FENCE)
    moved = replace(target, endpoint="127.0.0.1:1")
    with pytest.raises(RouterError, match="cannot be moved"):
        await light.apply(moved, good, FENCE)
    monkeypatch.setenv(VARIABLE, "/bin/true")
    with pytest.raises(MissingDependency, match="does not run here"):
        await light.apply(replace(target, environment="elsewhere"), good, FENCE)
    assert (await serve(light, target, good)).written == good
