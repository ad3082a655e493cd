"""A secret reaches the application and nothing else: real rollouts, and every surface that they leave behind."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from typing import TYPE_CHECKING

import pytest

from fairdeploy import BlueGreen, Deployer, DeploymentError, HTTPCheck
from fairdeploy.backends.local import LocalBackend, open_keeper
from fairdeploy.errors import FairdeployError
from fairdeploy.host._home import Home
from fairdeploy.host._process import marked
from fairdeploy.journal import codec
from fairdeploy.model import Ended, Outcome
from fairdeploy.routing.envoy.admin import ask
from tests.backends.local import until
from tests.killing import killed_at
from tests.ports import free_port
from tests.security.deploying import BLURTING, VARIABLE, application, target
from tests.security.surfaces import (
    Surfaces,
    found_in,
    locals_of,
    open_modes,
    processes,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fairdeploy import Plan, Release, Target
    from fairdeploy.protocols import Strategy

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]

PASSWORD = f"s3cr3t of/the environment {{port}} %s {secrets.token_hex(4)}"
TOKEN = f"s3cr3t-of-the-file-{secrets.token_hex(4)}"
"""Drawn: a secret that stands in a file which git tracks is refused before anything starts."""
SECRETS = (PASSWORD, TOKEN)
OUTCOMES = ["good", "failed", "rolled back", "recovered by the guard"]


@pytest.fixture
def _open_to_all() -> Iterator[None]:
    """Let whatever is made be open to all, unless it says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file of one secret, and set the variable of the other."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder for deployments in which nothing runs in the end."""
    path = tmp_path / "deployments"
    yield path
    await open_keeper(path / "keeper").shutdown()
    assert marked(Home.of(path / "keeper").mark) == []


@pytest.mark.usefixtures("_open_to_all")
@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_no_surface_of_a_rollout_shows_a_secret(
    outcome: str,
    folder: Path,
    token: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Good, failed, rolled back or recovered by a guard: only the application and one private file have it."""
    caplog.set_level(logging.DEBUG)
    on = target(f"127.0.0.1:{free_port()}")
    seen: Surfaces = {}
    async with LocalBackend.open(folder) as backend:
        deployer = Deployer(backend, validate=False)  # its secrets stand in this repository
        await deployer.deploy(on, application("v0", token), BlueGreen(watch=0, keep_warm=0))
        if outcome == "recovered by the guard":
            await _kill_a_deployer(folder, on, token)
            await _until_ended(backend, Outcome.ROLLED_BACK)
        else:
            seen |= await _rollout(backend, on, *_asked(outcome, token))
        seen |= await _told(deployer, backend, on)
        seen |= {f"arguments of {pid}": text for pid, text in processes("cmdline")}
        seen |= {f"environment of {pid}": text for pid, text in processes("environ")}
        applications = {
            f"environment of {pid}" for pid, text in processes("cmdline") if ".apps.polite" in text
        }
        private = _private_files(folder, token)
        seen |= stored(folder)
        modes = open_modes(folder)
    out, err = capfd.readouterr()
    seen |= {"standard output": out, "standard error": err, "log": caplog.text}
    seen |= {f"log record {number}": repr(vars(record)) for number, record in enumerate(caplog.records)}

    leaked = found_in(seen, SECRETS)

    assert applications & leaked, "the application must have its secrets, or nothing is proved here"
    assert {name for name in leaked if name not in applications} == private
    assert len(private) == 1
    assert modes == {}, modes


def _asked(outcome: str, token: Path) -> tuple[Release, Strategy]:
    """Return a release and a strategy that come to an outcome."""
    if outcome == "failed":
        return application(outcome, token, blurts=True), BlueGreen(ready_deadline=60)
    verify = (HTTPCheck("/nowhere"),) if outcome == "rolled back" else ()
    return application(outcome, token), BlueGreen(watch=0, keep_warm=0, verify=verify)


async def _rollout(backend: LocalBackend, on: Target, release: Release, strategy: Strategy) -> Surfaces:
    """Plan and deploy; return what the plan, the result or the error shows."""
    deployer = Deployer(backend)
    plan = await deployer.plan(on, release, strategy)
    seen = {"release": repr(release), **_shown(plan)}
    if release.version == "good":
        return {**seen, "result": repr(await deployer.deploy(on, release, strategy))}
    if BLURTING in release.command:
        with pytest.raises(FairdeployError) as refused:  # what cannot come up is found out before, too
            await deployer.deploy(on, release, strategy)
        seen |= {f"refused: {name}": text for name, text in locals_of(refused.value).items()}
        deployer = Deployer(backend, validate=False)
    with pytest.raises(DeploymentError) as failed:
        await deployer.deploy(on, release, strategy)
    seen |= locals_of(failed.value)
    if BLURTING in release.command:
        assert "cannot log in with [secret] [secret]" in str(failed.value)
    return {**seen, "result": f"{failed.value.result} {failed.value.result!r}"}


def _shown(plan: Plan) -> Surfaces:
    return {
        "plan, text": str(plan),
        "plan, repr": repr(plan),
        "plan, HTML": plan._repr_html_(),
        "plan, JSON": codec.encode_plan(plan),
    }


async def _told(deployer: Deployer, backend: LocalBackend, on: Target) -> Surfaces:
    """Return what journal, status, history and Envoy tell."""
    status = await deployer.status(on)
    seen = {"status": f"{status} {status!r}"}
    for info in await deployer.history(on):
        seen[f"history {info.id}"] = repr(info)
        for event in await backend.journal.read(info.id):
            seen[f"event {event.seq}"] = f"{event} {event!r} {codec.encode(event.record)}"
    for socket in (backend._folder / "router").rglob("admin*.sock"):
        seen[f"Envoy's configuration ({socket.name})"] = await ask(socket.parent, socket.name, "/config_dump")
    return seen


def _private_files(folder: Path, token: Path) -> set[str]:
    """Name the files that must hold secrets, for restarts when nobody of ours runs; each is for its owner only."""
    paths = list(folder.glob("targets/*/revisions/*/secrets/values.json"))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths)
    assert all(TOKEN not in path.read_text() for path in paths), "what is in a file stays there"
    return {f"file {path.relative_to(folder)}" for path in paths}


async def _kill_a_deployer(folder: Path, on: Target, token: Path) -> None:
    """Deploy in another program, and kill it at a quarter of the traffic."""
    words = ("-m", "tests.security.deploying", str(folder), str(on.endpoint), str(token))
    said = await killed_at("at bake-25 intended", *words)
    assert not found_in({"what it has printed and logged": said}, SECRETS)


async def _until_ended(backend: LocalBackend, outcome: Outcome) -> None:
    """Wait until the guard has ended the last rollout."""

    async def look() -> Outcome | None:
        info = (await backend.journal.rollouts())[-1]
        ends = [e.record for e in await backend.journal.read(info.id) if isinstance(e.record, Ended)]
        return ends[0].result.outcome if ends else None

    await until(look, lambda seen: seen is outcome)
