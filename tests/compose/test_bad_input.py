"""What cannot work is refused with a sentence that says what to do, and nothing has changed."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from fairdeploy import Release, Target
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.errors import BackendError, FairdeployError, InvalidInput, StartError, StateError
from tests.compose.stage import Project, project
from tests.docker import docker

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(300)]

RELEASE = Release("1", command=["sleep", "3600"])


async def opened(made: Project, home: Path | None = None) -> None:
    """Open the project, and leave."""
    async with ComposeBackend.open(made.file, "app", home=home or made.home, guard=False):
        pass


async def refused(made: Project, release: Release, target: Target) -> FairdeployError:
    """Return why a release is refused before anything has changed."""
    before = made.containers()
    async with ComposeBackend.open(made.file, "app", home=made.home, guard=False) as backend:
        with pytest.raises(FairdeployError) as raised:
            await backend.check(target, release)
    assert made.containers() == before
    return raised.value


@pytest.mark.parametrize(
    ("host", "said"),
    [("unix:///nonexistent.sock", "does not answer"), ("tcp://127.0.0.1:1", "does not answer")],
)
async def test_no_engine(made: Project, monkeypatch: pytest.MonkeyPatch, host: str, said: str) -> None:
    """The message says that none answers, and where to say which."""
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(BackendError, match=said):
        await opened(made)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: "services: [", "line 1"),
        (lambda text: text.replace("image:", "imege:", 1), "line 4.*imege"),
        (lambda text: text.replace("  app:", "  web:"), r"'app' is not in .*choose from \['beside', 'web'\]"),
    ],
)
async def test_a_file_that_cannot_be_used(made: Project, change: Callable[[str], str], said: str) -> None:
    """Compose's own words are given, with the line where it tells one; a missing service with those there are."""
    made.write(change(made.file.read_text()))
    with pytest.raises(InvalidInput, match=said):
        await opened(made)


@pytest.fixture
async def old_engine(tmp_path: Path) -> AsyncIterator[str]:
    """Answer as an engine of long ago does."""

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"Version": "18.09.1", "ApiVersion": "1.39", "Arch": "amd64"})

    engine = web.Application()
    engine.router.add_get("/{any:.*}", version)
    runner = web.AppRunner(engine, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(tmp_path / "old.sock")).start()
        yield f"unix://{tmp_path / 'old.sock'}"
    finally:
        await runner.cleanup()


async def test_an_engine_that_is_too_old(
    made: Project, old_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version is told, and the oldest that will do."""
    monkeypatch.setenv("DOCKER_HOST", old_engine)
    with pytest.raises(BackendError, match=r"'18.09.1' is too old \(API 1.39\): install 20.10 or newer"):
        await opened(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")
async def test_no_permission_on_the_socket(made: Project) -> None:
    """A user outside of the group is told how to come in."""
    made.folder.chmod(0o755)
    groups = os.getgroups()
    os.setgroups([])
    os.seteuid(65_534)
    try:
        with pytest.raises(
            BackendError, match=r"may not speak to the Docker Engine: join the group 'docker'"
        ):
            await opened(made)
    finally:
        os.seteuid(0)
        os.setgroups(groups)


async def test_another_project_of_the_same_name(made: Project) -> None:
    """Containers that another file has made under our names are not taken for ours."""
    other = made.folder / "other.yaml"
    other.write_text(made.file.read_text())
    docker("compose", "--project-directory", str(made.folder), "--file", str(other), "up", "-d", "beside")
    async with ComposeBackend.open(made.file, "app", home=made.home, guard=False):
        pass  # another service is none of our business
    docker("compose", "--project-directory", str(made.folder), "--file", str(other), "up", "-d", "app")
    with pytest.raises(InvalidInput, match=r"was made of .*other.yaml.*give this one another name"):
        await opened(made)


async def test_a_home_that_is_something_else(made: Project) -> None:
    """A folder with other things in it, or another project's, is not taken."""
    with pytest.raises(StateError, match="holds things"):
        await opened(made, home=made.folder)
    await opened(made)
    with project(made.file.read_text()) as other, pytest.raises(StateError, match="is the home of project"):
        await opened(other, home=made.home)


async def test_an_image_that_is_not_there(made: Project) -> None:
    """It is looked for, and then named."""
    error = await refused(made, Release("1", image="fairdeploy-none/none:1"), Target("app"))
    assert isinstance(error, StartError)
    assert "'fairdeploy-none/none:1' is not on this Docker Engine" in str(error)


async def test_an_image_for_another_machine(made: Project, tmp_path: Path) -> None:
    """It would not start: that is known before anything does."""
    tag = foreign_image(tmp_path)
    try:
        error = await refused(made, Release("1", image=tag), Target("app"))
    finally:
        docker("rmi", tag)
    assert isinstance(error, StartError)
    assert "is for 's390x' and this Docker Engine runs" in str(error)


def foreign_image(folder: Path) -> str:
    """Load an image without files, for a machine that this is not."""
    tag, layer = "fairdeploy-test/foreign:s390x", folder / "layer.tar"
    with tarfile.open(layer, "w"):
        pass
    of = {
        "architecture": "s390x",
        "os": "linux",
        "config": {"Cmd": ["true"]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"],
        },
    }
    (folder / "config.json").write_text(json.dumps(of))
    listed = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    (folder / "manifest.json").write_text(json.dumps(listed))
    with tarfile.open(folder / "image.tar", "w") as tar:
        for name in ("config.json", "layer.tar", "manifest.json"):
            tar.add(folder / name, name)
    docker("load", "--input", str(folder / "image.tar"))
    return tag


async def test_a_service_that_listens_nowhere(made: Project) -> None:
    """A target with an endpoint needs a port."""
    made.write(made.file.read_text().replace('expose: ["8000"]', "init: true"))
    target = Target("app", endpoint="127.0.0.1:1")
    error = await refused(made, RELEASE, target)
    assert "nothing says where service 'app' listens" in str(error)


async def test_a_service_on_the_host_network(made: Project) -> None:
    """Two copies would share one set of ports."""
    made.write(made.file.read_text().replace('expose: ["8000"]', "network_mode: host"))
    assert "network_mode 'host'" in str(await refused(made, RELEASE, Target("app")))


async def test_a_dependency_that_is_not_there(made: Project) -> None:
    """What the service needs must be as its condition says; how it is now is told."""
    made.write(made.file.read_text().replace('expose: ["8000"]', "depends_on: [beside]"))
    error = await refused(made, RELEASE, Target("app"))
    assert "needs 'beside' to be 'service_started', and it is not there" in str(error)
    made.compose("up", "-d", "beside")
    async with ComposeBackend.open(made.file, "app", home=made.home, guard=False) as backend:
        await backend.check(Target("app"), RELEASE)


async def test_a_dependency_that_is_unwell(made: Project) -> None:
    """It runs, and is not healthy as the file wants it to be."""
    text = made.file.read_text().replace(
        'expose: ["8000"]', "depends_on: {beside: {condition: service_healthy}}"
    )
    made.write(f"{text}    healthcheck: {{test: [CMD, 'false'], interval: 100ms, retries: 1}}\n")
    made.compose("up", "-d", "beside")
    error = await refused(made, RELEASE, Target("app"))
    assert "needs 'beside' to be 'service_healthy', and it is running" in str(error)


async def test_a_service_that_keeps_its_data_in_itself(made: Project) -> None:
    """A store, a job, and what shares an address cannot stand beside itself: each is told why, and what to do."""
    image = made.file.read_text().split("image: ")[1].split()[0]
    docker("tag", image, "redis:fairdeploy-test")
    try:
        for change, said in (
            ("image: redis:fairdeploy-test", "is a store"),
            ("stop_signal: SIGKILL", "cannot be rolled: critical: stop-signal"),
            ("ports: ['1:1/udp']", "carries no TCP"),
        ):
            made.write(f"services: {{app: {{image: {image}, command: [sleep, '3600'], {change}}}}}")
            if "image" in change:
                made.write("services: {app: {image: 'redis:fairdeploy-test'}}")
            assert said in str(await refused(made, RELEASE, Target("app")))
    finally:
        docker("rmi", "redis:fairdeploy-test")


async def test_a_port_that_is_taken(made: Project) -> None:
    """The endpoint that the service itself still publishes is not free for the router."""
    published = made.file.read_text().replace('expose: ["8000"]', 'ports: ["127.0.0.1::8000"]')
    made.write(published)
    made.compose("up", "-d", "app")
    address = made.compose("port", "app", "8000").strip()
    assert address in str(await refused(made, RELEASE, Target("app", endpoint=address)))


async def test_a_stateful_service(made: Project) -> None:
    """Two copies would write the same data: it is refused unless that is meant."""
    made.write(made.file.read_text().replace('expose: ["8000"]', 'volumes: ["./data:/data"]'))
    error = await refused(made, RELEASE, Target("app"))
    assert "'/data'" in str(error)
    async with ComposeBackend.open(
        made.file, "app", home=made.home, guard=False, shared=["/data"]
    ) as backend:
        await backend.check(Target("app"), RELEASE)
