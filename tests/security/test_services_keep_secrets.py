"""The passwords and tokens by which services are asked stand in no record, log, argument, file or error of ours."""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from aiohttp import web

from fairdeploy import BlueGreen, Deployer, Release, SecretRef, Target
from fairdeploy.backends.ecs import ECSBackend, Place
from fairdeploy.backends.kubernetes import KubernetesBackend
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.migrating import alembic
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.errors import ConsentRequired, FairdeployError, InvalidInput
from fairdeploy.events import AppriseSink, GitHubSink, GrafanaSink, WebhookSink
from fairdeploy.health import run_check
from fairdeploy.journal import MemoryJournal, codec
from fairdeploy.journal.postgres.address import Address
from fairdeploy.metrics import PrometheusCounters
from fairdeploy.model import (
    CheckResult,
    HTTPCheck,
    Instance,
    OIDCCheck,
    Outcome,
    PostgresCheck,
    PrometheusCheck,
    PrometheusSource,
    StorageCheck,
    Verdict,
)
from fairdeploy.model.notice import Subject as About
from fairdeploy.protocols import Subject
from fairdeploy.rollback import RollbackManager
from fairdeploy.strategies import Migrated
from fairdeploy.testing.conformance import EventSinkConformance
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World
from tests.database.test_steps import AT_0002, SHOP, ask
from tests.ports import free_port
from tests.postgres import PASSWORD
from tests.security.surfaces import Surfaces, found_in, locals_of, processes, stored
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from fairdeploy.model import Asked, MigrationClass, RolloutResult
    from fairdeploy.protocols import EventSink
    from tests.postgres import Binaries, PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

VARIABLE = "FAIRDEPLOY_TEST_SERVICE_SECRET"
TARGET = Target("shop", replicas=1, endpoint="127.0.0.1:8080")
TOKEN = "s3cr3t-t0ken-of-nobody"


@pytest.fixture
def anyio_backend() -> str:
    """Run on one event loop: the driver of PostgreSQL knows no other."""
    return "asyncio"


async def arguments(seen: Surfaces) -> None:
    """Look at the arguments of all programs, again and again, until cancelled."""
    while True:
        for pid, text in await anyio.to_thread.run_sync(lambda: [*processes("cmdline")]):
            seen[f"arguments of {pid} ({hash(text)})"] = text  # at its end a program shows none any more
        await anyio.sleep(0.005)  # some are done in a moment


@pytest.mark.nightly
@pytest.mark.parametrize("change", ["reversible", "destructive"], ids=["back", "restored"])
async def test_a_database_with_a_password(
    change: MigrationClass,
    postgres: str,
    postgres_server: PostgresServer,
    postgres_binaries: Binaries,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Migrated and taken back or restored: plans, records, result, errors, log, backups and all arguments are clean."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(VARIABLE, PASSWORD)
    await ask(DatabaseAddress(postgres), AT_0002)
    dsn = f"postgresql://postgres@127.0.0.1:{postgres_server.port}{urlsplit(postgres).path}"
    address = DatabaseAddress(dsn, password=SecretRef.env(VARIABLE), programs=postgres_binaries.folder)
    backups = tmp_path / "backups"
    database = PostgresDatabase(address, alembic(address, cwd=SHOP), folder=backups, amcheck=False)

    async def refused(_: Subject) -> CheckResult:
        await ask(DatabaseAddress(postgres), "INSERT INTO users (email) VALUES ('late@example.org')")
        return CheckResult(Verdict.FAIL, "as told")

    backend = SimulatedBackend(World(default=Behaviour(start_seconds=0.01)))
    deployer = Deployer(
        backend,
        checks={"refused": refused},
        databases={"shop": database},
        clock=backend.world.clock,
        validate=False,
    )
    quick = BlueGreen(watch=0, keep_warm=0, preview_header=None, analysis=())
    releases = [Release(version, command=["serve", "{port}"]) for version in "12"]
    await Deployer(backend, clock=backend.world.clock, validate=False).deploy(TARGET, releases[0], quick)
    seen: Surfaces = {}
    how = Migrated(quick, database="shop", to="0003", change=change)
    plan = await deployer.plan(TARGET, releases[1], how)
    ended: list[RolloutResult] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(arguments, seen)
        async with deployer.run(plan) as rollout:
            ended.append(await rollout.result())
        if change == "destructive":
            ended.append(await _restored(RollbackManager(deployer), ended[0], seen))
        tasks.cancel_scope.cancel()
    assert ended[-1].outcome is OUTCOMES[change], ended[-1].reason
    assert any("pg_dump" in text for text in seen.values()), "no program was seen at work"
    infos = await backend.journal.rollouts()
    for number, each in enumerate((plan, *(info.plan for info in infos))):
        seen[f"plan {number}"] = f"{each} {each!r} {each._repr_html_()} {codec.encode_plan(each)}"
    restores = [step.kind for info in infos for step in info.plan.steps if step.kind == "restore"]
    assert bool(restores) == (change == "destructive")
    seen |= {f"result {n}": f"{result} {result!r}" for n, result in enumerate(ended)}
    seen |= {"reprs": f"{database!r} {address!r} {database.configuration()}"}
    seen |= {f"event {e.seq}": f"{e} {e!r} {codec.encode(e.record)}" for e in await backend.journal.read()}
    seen |= stored(backups) | {f"log {n}": repr(vars(each)) for n, each in enumerate(caplog.records)}
    assert found_in(seen, [PASSWORD]) == set()


OUTCOMES = {"reversible": Outcome.ROLLED_BACK, "destructive": Outcome.PROMOTED}
"""Of what came last: a plan that only restores comes to its end."""


async def _restored(manager: RollbackManager, failed: RolloutResult, seen: Surfaces) -> RolloutResult:
    """Ask for the backup, be told what would be lost, and agree to it."""
    assert failed.outcome is Outcome.NEEDS_ATTENTION, failed.reason
    seen["result of what failed"] = f"{failed} {failed!r}"
    with pytest.raises(ConsentRequired) as asked:
        await manager.restore_backup(failed.rollout)
    seen |= locals_of(asked.value)
    return await manager.restore_backup(failed.rollout, accept=asked.value.report.digest)


async def test_a_database_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error, and what its traceback holds, has no password."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    address = DatabaseAddress(
        f"postgresql://me@127.0.0.1:{free_port()}/shop", password=SecretRef.env(VARIABLE)
    )
    database = PostgresDatabase(address, alembic(address, cwd=SHOP), folder=tmp_path)
    with pytest.raises(FairdeployError) as failed:
        await database.observe()
    assert found_in(locals_of(failed.value), [TOKEN]) == set()


@pytest.mark.parametrize("reads", [DatabaseAddress, Address.of])
def test_a_passphrase_in_an_address_is_refused(reads: Callable[[str], object]) -> None:
    """What opens the client's key would be shown with the address, which is recorded: neither error shows it."""
    with pytest.raises(InvalidInput, match="passphrase") as refused:
        reads(f"postgresql://me@127.0.0.1/shop?sslmode=require&sslpassword={TOKEN}")
    assert found_in({"error": f"{refused.value!r}"}, [TOKEN]) == set()


def sinks(port: int) -> dict[str, EventSink]:
    """Return who tells others, each with a secret, and nobody who listens."""
    url, secret = f"http://127.0.0.1:{port}", SecretRef.env(VARIABLE)
    near = {"allow": ["127.0.0.1/32"], "plaintext": True}
    return {
        "webhook": WebhookSink(f"{url}/hook", secret, **near),  # type: ignore[arg-type]  # as they are named
        "grafana": GrafanaSink(url, secret, **near),  # type: ignore[arg-type]  # likewise
        "github": GitHubSink("me/shop", secret, url=url, **near),  # type: ignore[arg-type]  # likewise
        "mail and chat": AppriseSink([secret]),
        "what Apprise does not know": AppriseSink([secret]),
    }


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", sinks(0))
async def test_a_receiver_of_news_that_is_down(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the error nor the log has the shared secret or token, nor an address that holds one."""
    caplog.set_level(logging.INFO)  # what libraries of others say at DEBUG is for whoever asks them to
    port = free_port()
    urls = {
        "mail and chat": f"json://me:{TOKEN}@127.0.0.1:{port}/{TOKEN}",
        "what Apprise does not know": f"nobody://{TOKEN}",
    }
    monkeypatch.setenv(VARIABLE, urls.get(kind, TOKEN))
    sink = sinks(port)[kind]
    brought = About(target="shop/production", app="shop", environment="production", after="v2", version="2")
    news = replace(EventSinkConformance.notice(7, "critical"), kind="began", subjects=(brought,))
    with pytest.raises(FairdeployError) as failed:
        await sink.deliver(news)
    seen = locals_of(failed.value) | {"sink": f"{sink!r} {sink.name}"}
    seen |= {f"log {n}": repr(vars(each)) for n, each in enumerate(caplog.records)}
    assert found_in(seen, [TOKEN]) == set()


async def test_figures_that_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a Prometheus that does not answer has no token."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    rate = 'requests{revision="{revision}"}'
    source = PrometheusSource(
        f"http://127.0.0.1:{free_port()}", token=SecretRef.env(VARIABLE), requests=rate, errors=rate
    )
    metrics = PrometheusCounters(source)
    with pytest.raises(FairdeployError) as failed:
        await metrics.counters(TARGET, frozenset({"r"}))
    seen = locals_of(failed.value) | {"source": f"{source!r} {metrics!r} {metrics.configuration()}"}
    assert found_in(seen, [TOKEN]) == set()


@pytest.mark.parametrize("answers", [403, 0])
async def test_a_cluster_that_refuses(
    answers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Or does not answer: the token of the kubeconfig is in no error, log or address."""
    caplog.set_level(logging.INFO)  # what libraries of others say at DEBUG is for whoever asks them to
    monkeypatch.setattr("fairdeploy.routing.kubernetes.client._TRIES", 1)
    async with refusing(answers, b'{"message": "no"}') as port:
        there = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
        users = [{"name": "me", "user": {"token": TOKEN}}]
        config = {"clusters": [there], "contexts": [context], "users": users, "current-context": "here"}
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
        async with KubernetesBackend.open(kubeconfig=str(path), journal=MemoryJournal()) as backend:
            with pytest.raises(FairdeployError) as failed:
                await backend.observe(TARGET)
            seen = locals_of(failed.value) | {"backend": f"{backend!r} {backend.uri}"}
    seen |= {f"log {n}": repr(vars(each)) for n, each in enumerate(caplog.records)}
    assert found_in(seen, [TOKEN]) == set()


async def test_a_cloud_that_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The secret key of an account is in no error, log or address."""
    caplog.set_level(logging.INFO)  # what libraries of others say at DEBUG is for whoever asks them to
    for name, value in {"ACCESS_KEY_ID": "me", "SECRET_ACCESS_KEY": TOKEN, "SESSION_TOKEN": TOKEN}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    async with refusing(403, b'{"__type": "AccessDeniedException", "message": "no"}') as port:
        place = Place("us-east-1", cluster="c", service="s", endpoint=f"http://127.0.0.1:{port}")
        with pytest.raises(FairdeployError) as failed:
            async with ECSBackend.open(place, journal=MemoryJournal()):
                pass
    seen = locals_of(failed.value) | {"place": f"{place!r} {place.uri}"}
    seen |= {f"log {n}": repr(vars(each)) for n, each in enumerate(caplog.records)}
    assert found_in(seen, [TOKEN]) == set()


@asynccontextmanager
async def refusing(status: int, body: bytes) -> AsyncIterator[int]:
    """Give the port of a server that says no, or that closes the connection."""

    async def answer(request: web.Request) -> web.Response:
        if not status and request.transport is not None:
            request.transport.close()
        return web.Response(status=status or 500, body=body, content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with serving(web.AppRunner(application)) as port:
        yield port


def checks(port: int) -> dict[str, tuple[Asked, str]]:
    """Return checks, each with what its secret is, of a service that is down."""
    secret, url = SecretRef.env(VARIABLE), f"http://127.0.0.1:{port}"
    dsn = f"postgresql://me:{TOKEN}@127.0.0.1:{port}/shop"
    return {
        "http": (HTTPCheck("/", bearer=secret), TOKEN),
        "postgres": (PostgresCheck(secret), dsn),
        "a key with a passphrase": (PostgresCheck(secret), f"{dsn}?sslmode=require&sslpassword={TOKEN}"),
        "provider": (OIDCCheck(url, client_id="lab", client_secret=secret), TOKEN),
        "bucket": (StorageCheck("s3://uploads", endpoint=url, key=secret, secret=secret), TOKEN),
        "prometheus": (PrometheusCheck("up", server=url, low=1, bearer=secret), TOKEN),
    }


@pytest.mark.parametrize("kind", checks(0))
async def test_a_check_that_finds_nobody(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its evidence, which goes into the journal, has no credentials; nor has the log."""
    caplog.set_level(logging.INFO)  # what libraries of others say at DEBUG is for whoever asks them to
    port = free_port()
    check, value = checks(port)[kind]
    monkeypatch.setenv(VARIABLE, value)
    instance = Instance("i", revision="r", address=f"127.0.0.1:{port}", ready=True)
    found = await run_check(check, Subject(target=TARGET, revision="r", instances=(instance,)))
    assert found.verdict is not Verdict.PASS
    seen = {"check": repr(check), "result": f"{found} {found!r}"}
    seen |= {f"log {n}": repr(vars(each)) for n, each in enumerate(caplog.records)}
    assert found_in(seen, [TOKEN]) == set()
