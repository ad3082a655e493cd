"""Releases whose fault shows only when they run: they are sent back before they get traffic, with the evidence."""

from __future__ import annotations

import sys
from dataclasses import replace

import anyio
import pytest
import trustme

from fairdeploy import TLS, Canary, DeploymentError, HTTPProbe, Outcome, Probes, Release, Target
from fairdeploy.model import Intended, Shift
from fairdeploy.protocols import Strategy
from tests.backends.local import serving
from tests.bad_input.row import Row, rows
from tests.bad_input.standing import SWITCH, Standing, everything
from tests.ports import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(240)]

LATER = replace(SWITCH, ready_deadline=8)
"""For what nothing but the deadline ends. All others have five minutes, and must not take them."""


def _runs(*command: str, **more: object) -> Release:
    return Release("2", command=[*command, "{port}"], **more)  # type: ignore[arg-type]  # as `Release`


def _says(code: str) -> Release:
    return _runs(sys.executable, "-I", "-S", "-c", code)


SENT_BACK: list[Row[tuple[Release, Strategy]]] = [
    Row(
        "a command that exits at once",
        (_says("import sys; print('opening'); sys.exit('no database at db:5432')"), SWITCH),
        error=DeploymentError,
        names="no database at db:5432",
        says="(exited with status 1; will be started again, restarted 3 times)",
    ),
    Row(
        "a command that exits at once in a canary",
        (_says("import sys; sys.exit('no database at db:5432')"), Canary(keep_warm=0)),
        error=DeploymentError,
        names="no database at db:5432",
        says="Canary failed before it got traffic",
    ),
    Row(
        "a command that ends well at once",
        (_says("print('nothing to do')"), SWITCH),
        error=DeploymentError,
        names="nothing to do",
        says="(exited with status 0; will be started again, restarted 3 times)",
    ),
    Row(
        "a command that is killed at once",
        (_says("import os; print('so long', flush=True); os.kill(os.getpid(), 9)"), SWITCH),
        error=DeploymentError,
        names="so long",
        says="(killed by signal 9; will be started again, restarted 3 times)",
    ),
    Row(
        "a port that never opens",
        (_says("import time; print('thinking', flush=True); time.sleep(60)"), LATER),
        error=DeploymentError,
        names="thinking",
        says="'ready' was not done within 8 s (0 of 1 ready: 127.0.0.1:",
    ),
    Row(
        "a readiness path that answers 500",
        (serving("2", "--status", "500"), LATER),
        error=DeploymentError,
        names="serving",
        says="(0 of 1 ready: GET /: status 500)",
    ),
    Row(
        "a readiness path that nobody answers",
        (serving("2", probes=Probes(readiness=HTTPProbe("/hang", interval_ms=100, timeout_ms=200))), LATER),
        error=DeploymentError,
        names="serving",
        says="(0 of 1 ready: GET /hang: no answer in 200 ms)",
    ),
    Row(
        "a release that keeps its socket when it is killed",
        (serving("2", "--status", "500", "--stubborn", address="--uds={uds}", stop_grace_ms=200), LATER),
        error=DeploymentError,
        names="serving",
        says="(0 of 1 ready: GET /: status 500)",
    ),
]


@rows(SENT_BACK)
async def test_a_release_that_does_not_come_up_is_sent_back(
    row: Row[tuple[Release, Strategy]], on: Standing
) -> None:
    """The error tells why and shows its last words; traffic never moved, and nothing of it is left over."""
    release, strategy = row.attempt
    before, routes = await on.seen()
    files, pids = _kept(on), on.pids

    with anyio.fail_after(200), pytest.raises(DeploymentError) as caught:
        await on.deployer.deploy(on.target, release, strategy)

    result = caught.value.result
    assert result is not None
    assert row.says in str(caught.value)
    assert any(str(row.names) in line for line in result.evidence), result.evidence
    assert result.outcome is Outcome.ROLLED_BACK
    assert dict(result.serving) == {on.target.id: before.stable}
    events = await on.backend.journal.read(result.rollout)
    begun = [e.record.step for e in events if isinstance(e.record, Intended) and e.record.phase == "do"]
    plan = (await on.deployer.attach(result.rollout)).plan
    assert not [name for name in begun if isinstance(plan.step(name), Shift) and plan.step(name).split]  # type: ignore[union-attr]  # a shift has one
    assert await on.seen() == (before, routes)
    assert _kept(on) == files
    assert on.pids == pids
    assert (await on.serves()).startswith("1-")


def _kept(on: Standing) -> object:
    """Return everything of the folder but what counts up: the journal, numbers given, and what the router has written."""
    target = "targets/shop@production"
    return everything(
        on.folder,
        "journal.sqlite",
        f"{target}/epoch.json",
        f"{target}/counter.json",
        f"{target}/stable.json",
        "router",
    )


async def test_a_renewal_that_went_wrong_keeps_nobody_from_going_back(on: Standing) -> None:
    """Where a certificate is served already, its files may be broken: the router keeps the last good one."""
    made = trustme.CA().issue_cert("127.0.0.1")
    certificate, key = on.folder.with_name("cert.pem"), on.folder.with_name("key.pem")
    made.cert_chain_pems[0].write_to_path(str(certificate))
    made.private_key_pem.write_to_path(str(key))
    safe = Target("safe", endpoint=f"127.0.0.1:{free_port()}", tls=TLS(str(certificate), str(key)))
    await on.deployer.deploy(safe, serving("1"), SWITCH)
    await on.deployer.deploy(safe, serving("2"), SWITCH)
    key.write_text("half a k")

    with anyio.fail_after(200):
        assert (await on.deployer.rollback(safe)).promoted

    assert (await on.deployer.status(safe)).deployment.stable == serving("1").revision
