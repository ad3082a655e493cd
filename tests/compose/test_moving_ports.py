"""A port that the service has published itself moves to the router, while visitors come by it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen, Deployer, Target
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.local import open_keeper
from fairdeploy.errors import Refused
from fairdeploy.protocols import Scene
from fairdeploy.testing.load import Cause, LoadSettings, keep_alive, load_process, new_connection
from tests.compose.stage import APPLICATION, application, project
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.load, pytest.mark.timeout(600)]

QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())
KEPT = 3
"""Connections that visitors keep."""


@pytest.fixture
def target() -> Target:
    """Give a target whose endpoint the service publishes."""
    return Target("app", endpoint=f"127.0.0.1:{free_port()}", drain_ms=15_000)


@pytest.fixture
def published(application_image: str, target: Target) -> Iterator[Project]:
    """Give a project that was brought up by hand, and serves at that endpoint."""
    command = [*APPLICATION, "--port", "8000", "--revision", "by-hand"]
    ports = [f"{target.endpoint}:8000"]
    with project(
        f"services: {{app: {{image: {application_image}, command: {command}, ports: {ports}, stop_grace_period: 20s}}}}"
    ) as made:
        made.compose("up", "--detach", "--wait")
        yield made


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("iptables") is None, reason="only root can turn connections"
)
async def test_nobody_is_refused_while_the_port_moves(published: Project, target: Target) -> None:
    """It is refused unless that is asked for; then it is told, done, and nothing of it is left; the file stays as it is."""
    text = published.file.read_text()
    async with ComposeBackend.open(published.file, "app", home=published.home, guard=False) as backend:
        with pytest.raises(Refused, match=r"is published by service 'app' itself.*move_ports=True"):
            await backend.check(target, application("v1"))

    async with ComposeBackend.open(
        published.file, "app", home=published.home, guard=False, move_ports=True
    ) as backend:
        deployer = Deployer(backend, validate=False)
        (validation,) = backend.validations()
        (told,) = await validation.look(Scene(backend=backend, target=target, release=application("v1")))
        try:
            mix = (keep_alive(weight=60, timeout=60), new_connection(weight=40, timeout=60))
            url, settings = f"http://{target.endpoint}", LoadSettings(pool_size=KEPT, stop_within=60)
            async with load_process(url, mix=mix, rate=60, settings=settings) as load:
                for version in ("v1", "v2"):
                    assert (await deployer.deploy(target, application(version), QUICK)).promoted
                with anyio.fail_after(90):
                    while application("v2").revision not in load.snapshot().by_revision:  # noqa: ASYNC110 -- it tells now and then
                        await anyio.sleep(0.1)
            report = load.report()
            seen = await backend.observe(target)
        finally:
            with anyio.CancelScope(shield=True):
                await open_keeper(published.home / "keeper").shutdown()

    assert "the router takes the port: new connections are turned to it by iptables" in told.message
    assert report.kinds["new_connection"].lost == 0, str(report)
    # A kept connection may be closed while its next request is on its way: once for each, and nothing else.
    assert report.lost <= KEPT, str(report)
    assert set(report.lost_by_cause) <= {Cause.RESET_BEFORE_RESPONSE}, str(report)
    assert {"by-hand", application("v1").revision, application("v2").revision} <= set(report.by_revision)
    assert [each.id for each in seen.revisions] == [application("v2").revision]
    rules = await anyio.run_process(["iptables", "-t", "nat", "-S"])
    assert f"--dport {target.address[1]} " not in rules.stdout.decode()
    assert published.file.read_text() == text
