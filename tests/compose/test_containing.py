"""Envoy in a container: the contract of routers, and deployments by it, on a real engine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.compose._containing import ContainerKeeper
from fairdeploy.errors import InvalidInput, MissingDependency
from fairdeploy.model import TLS, Target
from fairdeploy.routing.envoy import EnvoyRouter, binary
from fairdeploy.testing.conformance import TrafficRouterConformance
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection
from fairdeploy.testing.simulation.router import ROUTER_ABILITIES
from tests.compose.stage import Project, application, stage
from tests.docker import docker
from tests.images import envoy_image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fairdeploy.protocols import TrafficRouter
    from fairdeploy.testing.conformance import Opened

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.nightly, pytest.mark.timeout(600)]

QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())


@pytest.fixture(scope="session")
def image(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an image that has Envoy where the Envoy project's own has it."""
    assert docker_engine
    return envoy_image(anyio.run(binary.find, None), tmp_path_factory.mktemp("image"))


class TestEnvoyInAContainer(TrafficRouterConformance):
    """A real Envoy, in a container on this machine's network."""

    capabilities = ROUTER_ABILITIES

    @pytest.fixture
    async def opened(self, image: str, tmp_path: Path) -> AsyncIterator[Opened[TrafficRouter]]:
        """Open routers on one folder; the container ends with the test."""
        keeper = ContainerKeeper(tmp_path, image)

        @asynccontextmanager
        async def opening() -> AsyncIterator[TrafficRouter]:
            yield EnvoyRouter(tmp_path, keeper, binary=keeper.find)

        try:
            yield opening
        finally:
            with anyio.CancelScope(shield=True):
                await keeper.shutdown()


async def test_nothing_is_lost_and_a_router_that_dies_is_there_again(made: Project, image: str) -> None:
    """Deployments go through it, it sees only its folder, and the engine starts it again when it is killed."""
    async with stage(made, envoy_image=image) as on:
        await on.deployer.deploy(on.target, application("v1"), QUICK)
        mix = (keep_alive(weight=80), new_connection(weight=20))
        async with load_process(on.url, mix=mix, rate=50, settings=LoadSettings()) as load:
            assert (await on.deployer.deploy(on.target, application("v2"), QUICK)).promoted
        assert load.report().lost == 0, str(load.report())
        keeper = ContainerKeeper(made.home / "router", image)
        ((name, state),) = (await keeper.states()).items()
        docker("exec", (found := container(made)), "/usr/local/bin/envoy", "--version")
        mounts = made.shown(found)["Mounts"]
        assert isinstance(mounts, list)
        assert [each["Source"] for each in mounts] == [str(made.home / "router")]
        await anyio.run_process(["kill", "-KILL", str(state.pid)])
        with anyio.fail_after(60):
            while (again := (await keeper.states())[name]).pid in {None, state.pid}:  # noqa: ASYNC110 -- the engine's doing
                await anyio.sleep(0.1)
        assert again.restarts == 1
        assert (await on.deployer.deploy(on.target, application("v3"), QUICK)).promoted
    assert not container(made), "nothing is left"


def container(made: Project) -> str:
    """Return the id of the project's router, if it is there."""
    return docker("ps", "-aq", "--filter", f"label=io.fairdeploy.kept={made.home / 'router'}").strip()


async def test_what_cannot_work_is_refused_before_anything_changed(
    made: Project, application_image: str, image: str
) -> None:
    """An image without Envoy, a certificate that it would not see, and HAProxy at the same time."""
    async with stage(made, envoy_image=application_image) as on:
        with pytest.raises(MissingDependency, match=r"Envoy does not run as '/usr/local/bin/envoy' in image"):
            await on.backend.check(on.target, application("v1"))
    async with stage(made, envoy_image=image) as on:
        tls = Target("app", endpoint=on.target.endpoint, tls=TLS("/etc/a.pem", "/etc/a.key"))
        with pytest.raises(
            InvalidInput, match=r"sees nothing of this machine's disk but .*put certificate and key there"
        ):
            await on.backend.check(tls, application("v1"))
    with pytest.raises(InvalidInput, match="leave out that or envoy_image"):
        async with ComposeBackend.open(made.file, "app", home=made.home, envoy_image="a", light=True):
            pass
