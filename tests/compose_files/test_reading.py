"""Compose files are read as Docker reads them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fairdeploy.compose import ComposeFile, Port, compose_command, read_compose
from fairdeploy.compose.record import duration_ms
from fairdeploy.errors import DeadlineExceeded, InvalidInput, MissingDependency
from tests.compose_files.conftest import CORPUS, FILES

if TYPE_CHECKING:
    from collections.abc import Sequence

Record: TypeAlias = dict[str, Any]
pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.usefixtures("compose")]

SHAPES = CORPUS / "shapes"
REFUSED = {"plex"}
"""What Docker itself refuses: it uses a variable that nobody has set."""


def printed(argv: Sequence[str], *files: Path) -> Record | None:
    """Return what Compose prints of files, or ``None`` if it refuses them."""
    named = [word for file in files for word in ("-f", str(file))]
    done = subprocess.run(
        [*argv, *named, "--profile", "*", "config", "--format", "json"],
        capture_output=True,
        timeout=100,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def facts(read: ComposeFile) -> object:
    """Return services, ports and volumes of what was read."""
    return {
        name: (
            sorted((p.target, p.published or "", p.host_ip or "", p.protocol) for p in service.ports),
            sorted((m.kind, m.source or "", m.target, m.read_only) for m in service.mounts),
        )
        for name, service in read.services.items()
    }, sorted((key, volume.name) for key, volume in read.volumes.items())


def oracle(record: Record | None) -> object:
    """Return the same of what Compose printed."""
    assert record is not None
    return {
        name: (
            sorted(
                (p["target"], p.get("published", ""), p.get("host_ip", ""), p["protocol"])
                for p in service.get("ports", [])
            ),
            sorted(
                [
                    (v["type"], v.get("source", ""), v["target"], v.get("read_only", False))
                    for v in service.get("volumes", [])
                ]
                + [("tmpfs", "", path.split(":")[0], False) for path in service.get("tmpfs", [])]
            ),
        )
        for name, service in record["services"].items()
    }, sorted((key, volume["name"]) for key, volume in record.get("volumes", {}).items())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
async def test_real_files_are_read_as_docker_reads_them(path: Path, compose: tuple[str, ...]) -> None:
    """What Docker accepts we accept, with the same services, ports and volumes; what it refuses we refuse."""
    record = printed(compose, path)
    if path.parent.name in REFUSED:
        with pytest.raises(InvalidInput, match=r"line 10: .*PLEX_MEDIA_PATH: set them"):
            await read_compose(path)
        assert record is None
        return
    assert facts(await read_compose(path)) == oracle(record)


def test_the_corpus_is_there() -> None:
    """All files of the corpus are among those that are tried."""
    assert len(FILES) == 39 + 3


PORTS = st.builds(
    lambda target, published, host, protocol: (
        f"{host}{published}:{target}/{protocol}" if published else f"{target}/{protocol}"
    ),
    st.integers(1, 65_535),
    st.one_of(st.none(), st.integers(1, 65_535)),
    st.sampled_from(["", "127.0.0.1:", "[::1]:"]),
    st.sampled_from(["tcp", "udp"]),
)
MOUNTS = st.builds(
    lambda source, target, mode: f"{source}:/{target}{mode}" if source else f"/{target}",
    st.sampled_from(["", "data", "./here", "/srv/there"]),
    st.sampled_from(["data", "var/lib/x", "a b"]),
    st.sampled_from(["", ":ro", ":rw"]),
)
SERVICE = st.fixed_dictionaries(
    {"image": st.sampled_from(["app:1", "registry.example:5000/app@sha256:" + 64 * "a"])},
    optional={
        "ports": st.lists(PORTS, max_size=3, unique=True),
        "volumes": st.lists(
            MOUNTS, max_size=2, unique_by=lambda text: text.split(":/")[-1].split(":")[0].lstrip("/")
        ),
        "tmpfs": st.just(["/run"]),
        "command": st.sampled_from(["run it", ["run", "$$x"], None]),
    },
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    services=st.dictionaries(st.sampled_from(["web", "db", "a-b", "x_1"]), SERVICE, min_size=1, max_size=3)
)
def test_drawn_files_are_read_as_docker_reads_them(
    services: dict[str, object], compose: tuple[str, ...], tmp_path: Path
) -> None:
    """Whatever services, ports and volumes there are, they are those that Docker has; and nobody else's."""
    path = tmp_path / "compose.yaml"
    path.write_text(json.dumps({"name": "drawn", "services": services, "volumes": {"data": {}}}))
    record = printed(compose, path)
    if record is None:
        with pytest.raises(InvalidInput):
            anyio.run(read_compose, path)
    else:
        assert facts(anyio.run(read_compose, path)) == oracle(record)


async def test_everything_that_a_rollout_needs_is_known() -> None:
    """Merged, extended and included parts come together, with values in milliseconds and bytes."""
    read = await read_compose(SHAPES / "portal")
    web = read.service("web")

    assert read.name == "portal"
    assert set(read.services) == {"web", "search"}
    assert web.restart == "unless-stopped"
    assert web.ports == (
        Port(target=8000, published="8001", host_ip="127.0.0.1"),
        Port(target=9000, published="9000"),
        Port(target=9001, published="9001"),
    )
    assert web.environment["FROM_FILE"] == "made-up-value"
    assert "PASSED_ON" in web.environment
    assert (web.stop_signal, web.init, web.limits.memory, web.limits.cpus) == (
        "SIGQUIT",
        True,
        512 << 20,
        0.5,
    )
    assert [(mount.kind, mount.target) for mount in web.mounts] == [
        ("volume", "/srv/files"),
        ("tmpfs", "/run/portal"),
    ]
    assert [grant.source for grant in web.secrets] == ["api-key", "token"]
    assert read.secrets["token"].injected
    assert read.configs["settings"].content == "key=value$1"
    assert [a.address for a in web.networks if a.network == "fixed"] == ["10.90.0.5"]
    assert read.dependents("search") == ("web",)


async def test_dollars_profiles_and_durations_are_resolved() -> None:
    """A doubled dollar is one, a profile's service is there, an anchor is merged."""
    read = await read_compose(SHAPES / "workflow")
    worker = read.service("worker")

    assert worker.healthcheck is not None
    assert worker.healthcheck.test[1].endswith('"celery@${HOSTNAME}"')
    assert worker.stop_grace_ms == 90_000
    assert read.service("init").command == ("-c", "exec migrate $(( 1 + 1 ))")
    assert read.service("flower").profiles == ("flower",)
    assert {need.service: need.condition for need in read.service("server").depends_on} == {
        "db": "service_healthy",
        "init": "service_completed_successfully",
        "redis": "service_healthy",
    }


async def test_a_dockerfile_says_how_an_image_starts() -> None:
    """Stages build on each other, and continued lines are one."""
    build = (await read_compose(SHAPES / "research")).service("app").build

    assert build is not None
    assert build.startup is not None
    assert build.startup.entrypoint == ("./entrypoint.sh",)
    assert build.startup.command == ("flask", "run", "--host", "0.0.0.0")
    assert not build.startup.command_shell
    assert build.startup.healthcheck is True


async def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the values nor an error shows what was filled in."""
    monkeypatch.setenv("SHOP_TOKEN", "made-up-value")
    path = tmp_path / "compose.yaml"
    path.write_text(
        "services:\n  web:\n    image: x\n    command: run ${SHOP_TOKEN}\n    environment: {T: '${SHOP_TOKEN}'}\n"
        "    labels: {t: '${SHOP_TOKEN}'}\n    healthcheck: {test: 'ask ${SHOP_TOKEN}'}\n"
        "    build: {context: ., args: {T: '${SHOP_TOKEN}'}}\n"
        "configs: {c: {content: '${SHOP_TOKEN}'}}\n"
    )
    read = await read_compose(path)
    assert read.service("web").environment["T"] == "made-up-value"
    assert "made-up-value" not in f"{read!r} {read}"

    path.write_text("services:\n  web:\n    image: x\n    ports: ['${SHOP_TOKEN}']\n")
    with pytest.raises(InvalidInput) as caught:
        await read_compose(path)
    assert "made-up-value" not in str(caught.value)


BROKEN = {
    "    imagee: y": r"line 4: .*did you mean 'image'\?",
    "   restart: always": r"line 4: this is no YAML",
    "    ports: [abc]": r"line 4: .*write ports as '8000'",
    "    depends_on: [nope]": r"line 4: .*undefined service .nope.: declare the service",
    "    volumes: ['nope:/x']": r"line 4: .*undefined volume nope: declare it at the top level",
    "    networks: [nope]": r"line 4: .*undefined network nope",
    "    secrets: [nope]": r"line 4: .*undefined secret",
    "    hostname: '${X:?say it}'": r"line 4: .*X is missing a value: say it: set it",
    "    hostname: '${X'": r"line 4: .*write '\$\$'",
    "    env_file: nope.env": r"line 4: .*write 'required: false'",
    "    image: y": r"line 4: .*keep one of the two",
    "    tty: [1]": r"line 4: ",
    "    depends_on: [web]": r"line 4: .*",
    "    extends: {file: nope.yaml, service: x}": r"line 4: .*no such file",
    "    container_name: web\n    deploy: {replicas: 2}": r"container_name.*take out 'container_name'",
}


@pytest.mark.parametrize(("line", "says"), BROKEN.items(), ids=range(len(BROKEN)))
async def test_what_docker_refuses_is_refused_with_the_line(line: str, says: str, tmp_path: Path) -> None:
    """The message names file and line, and what to do."""
    (tmp_path / "compose.yaml").write_text(f"services:\n  web:\n    image: x\n{line}\n")
    with pytest.raises(InvalidInput, match=rf"(?s)compose\.yaml.*{says}"):
        await read_compose(tmp_path)


async def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A missing file, an empty folder, an empty file, an empty list."""
    with pytest.raises(InvalidInput, match=r"'.*nope\.yaml' cannot be read"):
        await read_compose(tmp_path / "nope.yaml")
    with pytest.raises(InvalidInput, match="holds no compose file"):
        await read_compose(tmp_path)
    with pytest.raises(InvalidInput, match="no compose file is named"):
        await read_compose([])
    (tmp_path / "compose.yaml").write_text("")
    with pytest.raises(InvalidInput, match="declare at least one service"):
        await read_compose(tmp_path)
    (tmp_path / "compose.yaml").write_text("services: {web: {image: x}}")
    with pytest.raises(InvalidInput, match=r"'shop' is not in .*choose from \['web'\]"):
        (await read_compose(tmp_path)).service("shop")


async def test_later_files_win(tmp_path: Path) -> None:
    """Several files are merged in order, as by `docker compose -f a -f b`."""
    (tmp_path / "a.yaml").write_text("services: {web: {image: 'x:1', ports: ['80:80']}}")
    (tmp_path / "b.yaml").write_text("services: {web: {image: 'x:2', ports: !reset []}}")
    read = await read_compose([tmp_path / "a.yaml", tmp_path / "b.yaml"], project="other")

    assert (read.name, read.service("web").image, read.service("web").ports) == ("other", "x:2", ())


async def test_a_compose_that_hangs_or_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading is bounded in time, and a missing program says what to install."""
    (tmp_path / "compose.yaml").write_text("services: {web: {image: x}}")
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o700)
    monkeypatch.setenv("FAIRDEPLOY_COMPOSE_BIN", str(hangs))
    with pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"):
        await read_compose(tmp_path, deadline=0.2)
    monkeypatch.setenv("FAIRDEPLOY_COMPOSE_BIN", str(tmp_path / "nope"))
    with pytest.raises(MissingDependency, match="install Docker's plugin"):
        await read_compose(tmp_path)
    monkeypatch.delenv("FAIRDEPLOY_COMPOSE_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="is not installed"):
        compose_command()


@pytest.mark.parametrize(
    ("text", "value"), [("1m30s", 90_000), ("500ms", 500), ("1.5s", 1_500), ("0", 0), ("2h0m1s", 7_201_000)]
)
def test_durations_are_those_of_go(text: str, value: int) -> None:
    """Compose prints durations as Go does."""
    assert duration_ms(text) == value
    with pytest.raises(InvalidInput, match="is no duration"):
        duration_ms(f"{text} or so")
