"""Requests that a folder where a release serves must refuse: journal, files and processes stay as they are."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
import trustme

from fairdeploy import TLS, Canary, Deployer, HTTPCheck, Release, SecretRef, Target
from fairdeploy.errors import (
    FairdeployError,
    InvalidInput,
    NoWayBack,
    Refused,
    StalePlan,
    StartError,
    Unbound,
    UnknownRollout,
    UnknownTarget,
)
from fairdeploy.model import CheckResult, Verdict
from fairdeploy.protocols import Subject
from tests.bad_input.row import Row, rows
from tests.bad_input.standing import SWITCH, Standing, everything
from tests.proof.stage import application

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(240)]

Attempt: TypeAlias = Callable[[Standing], Awaitable[object]]

NOWHERE = Target("nowhere")
NEXT = application("2")


def _deploy(
    release: Any = NEXT,  # noqa: ANN401 -- wrong types are the point of some rows
    strategy: Any = SWITCH,  # noqa: ANN401 -- as above
    target: Any = None,  # noqa: ANN401 -- as above
    **how: Any,  # noqa: ANN401 -- as above
) -> Attempt:
    return lambda on: on.deployer.deploy(target or on.target, release, strategy, **how)


def _command(*words: str, **more: Any) -> Attempt:  # noqa: ANN401 -- as `Release`
    return _deploy(Release("2", command=[*words, "{port}"], **more))


def _at(endpoint: str) -> Attempt:
    return _deploy(target=Target("fresh", endpoint=endpoint, plaintext=True))


async def _at_an_endpoint_that_is_taken(on: Standing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        await _at(f"127.0.0.1:{other.getsockname()[1]}")(on)


async def _at_the_endpoint_of_another_app(on: Standing) -> None:
    await _at(str(on.target.endpoint))(on)


async def _with_a_key_of_another_certificate(on: Standing) -> None:
    own, other = (trustme.CA().issue_cert("localhost") for _ in range(2))
    certificate, key = on.folder.with_name("own.pem"), on.folder.with_name("other.key")
    own.cert_chain_pems[0].write_to_path(str(certificate))
    other.private_key_pem.write_to_path(str(key))
    await _deploy(target=replace(on.target, tls=TLS(str(certificate), str(key))))(on)


async def _without_a_key(on: Standing) -> None:
    await _deploy(target=replace(on.target, tls=TLS("/nowhere/cert.pem", "/nowhere/key.pem")))(on)


async def _with_a_check_that_only_its_maker_has(on: Standing) -> None:
    async def checkout(subject: Subject) -> CheckResult:
        return CheckResult(Verdict.PASS, subject.revision)

    plan = await Deployer(on.backend, checks={"checkout": checkout}).plan(on.target, NEXT, SWITCH)
    async with on.deployer.run(plan):
        pass


async def _a_plan_from_before(on: Standing) -> None:
    async with on.deployer.run(on.early):
        pass


async def _leaving_in_an_unknown_way(on: Standing) -> None:
    how: Any = "vanish"
    async with on.deployer.run(await on.deployer.plan(on.target, NEXT, SWITCH), on_exit=how):
        pass


UNKNOWN: list[Row[Attempt]] = [
    Row(
        "scale an unknown app",
        lambda on: on.deployer.scale(NOWHERE, 3),
        error=UnknownTarget,
        names="nowhere/production",
        says="deploy a release there first",
    ),
    Row(
        "restart an unknown app",
        lambda on: on.deployer.restart(NOWHERE),
        error=UnknownTarget,
        names="nowhere/production",
        says="deploy a release there first",
    ),
    Row(
        "roll back an unknown app",
        lambda on: on.deployer.rollback(NOWHERE),
        error=UnknownTarget,
        names="nowhere/production",
        says="deploy a release there first",
    ),
    Row(
        "roll back to a version never deployed",
        lambda on: on.deployer.rollback(on.target, to="9.9"),
        error=NoWayBack,
        names="9.9",
        says="verified are ['1 (1-",
    ),
    Row(
        "roll back the first release",
        lambda on: on.deployer.rollback(on.target),
        error=NoWayBack,
        names="shop/production",
        says="no verified revision before",
    ),
    Row(
        "attach to an unknown rollout",
        lambda on: on.deployer.attach("20260101T000000-0000"),
        error=UnknownRollout,
        names="20260101T000000-0000",
        says="see history(target)",
    ),
    Row(
        "deploy to an unknown backend",
        _deploy(backend="moon"),
        error=InvalidInput,
        names="moon",
        says="this Deployer has ['default']",
    ),
    Row(
        "scale to nothing",
        lambda on: on.deployer.scale(on.target, 0),
        error=InvalidInput,
        names=0,
        says="replicas must be from 1",
    ),
    Row(
        "deploy the name of a release",
        _deploy("2.0"),
        error=InvalidInput,
        names="2.0",
        says="such as Release(",
    ),
    Row(
        "deploy by the name of a strategy",
        _deploy(strategy="canary"),
        error=InvalidInput,
        names="canary",
        says="such as Canary()",
    ),
    Row(
        "deploy by a strategy not made",
        _deploy(strategy=Canary),
        error=InvalidInput,
        names=Canary,
        says="such as Canary()",
    ),
    Row(
        "deploy to the name of a target",
        _deploy(target="shop"),
        error=InvalidInput,
        names="shop",
        says="such as Target(",
    ),
    Row(
        "an unknown way to meet another rollout",
        _deploy(on_conflict="fight"),
        error=InvalidInput,
        names="fight",
        says="must be one of ['refuse', 'queue', 'supersede']",
    ),
    Row(
        "an unknown way to leave",
        _leaving_in_an_unknown_way,
        error=InvalidInput,
        names="vanish",
        says="must be one of ['abort', 'detach']",
    ),
]

UNFIT: list[Row[Attempt]] = [
    Row(
        "a missing binary",
        _command("no-such-program"),
        error=StartError,
        names="no-such-program",
        says="install it, or give its absolute path",
    ),
    Row(
        "a missing binary by its path",
        _command("/nowhere/app"),
        error=StartError,
        names="/nowhere/app",
        says="install it, or give its absolute path",
    ),
    Row(
        "a file that is no program",
        _command(__file__),
        error=StartError,
        names=__file__,
        says="is not an executable file",
    ),
    Row(
        "a missing working directory",
        _command("sleep", workdir="/nowhere"),
        error=StartError,
        names="/nowhere",
        says="make it first",
    ),
    Row(
        "an image where processes run",
        _deploy(Release("2", image="registry/app:2")),
        error=StartError,
        names="2",
        says="give command=[...]",
    ),
    Row(
        "a command that does not take its port",
        _deploy(Release("2", command=["gunicorn", "--bind", "127.0.0.1:8000"])),
        error=InvalidInput,
        names="shop/production",
        says="put '{port}' or '{uds}' into its command or env",
    ),
    Row(
        "a secret that is not set",
        _command("sleep", env={"API_KEY": SecretRef.env("NO_SUCH_VARIABLE")}),
        error=Unbound,
        names="NO_SUCH_VARIABLE",
        says="export it and run again",
    ),
    Row(
        "a secret file that is not there",
        _command("sleep", env={"API_KEY": SecretRef.file("/nowhere/key")}),
        error=Unbound,
        names="/nowhere/key",
        says="check that it exists and its mode",
    ),
    Row(
        "a check that is not bound",
        _with_a_check_that_only_its_maker_has,
        error=Unbound,
        names="checkout",
        says="give Deployer(checks={'checkout': ...})",
    ),
    Row(
        "text that is no Unicode",
        _command("sleep", "\udc80"),
        error=InvalidInput,
        names="BlueGreen",
        says="mend the release's command, env or config",
    ),
    Row(
        "a plan that nobody could read again",
        _deploy(strategy=replace(SWITCH, verify=[HTTPCheck("/health", contains=5)])),  # type: ignore[arg-type]  # the point
        error=InvalidInput,
        names="steps.3.verify.checks.0.http.contains",
        says="mend the release, target, check or strategy",
    ),
    Row("a stale plan", _a_plan_from_before, error=StalePlan, names="shop/production", says="plan again"),
    Row(
        "an endpoint that another program has",
        _at_an_endpoint_that_is_taken,
        error=Refused,
        names="fresh/production",
        says="end the program that has it, or give another endpoint",
    ),
    Row(
        "an endpoint that another app has",
        _at_the_endpoint_of_another_app,
        error=Refused,
        names="fresh/production",
        says="(Address already in use)",
    ),
    Row(
        "an endpoint of another machine",
        _at("192.0.2.1:8080"),
        error=Refused,
        names="192.0.2.1:8080",
        says="give another endpoint",
    ),
    Row(
        "an endpoint that is a name",
        _at("shop.example:8080"),
        error=InvalidInput,
        names="shop.example:8080",
        says="the host must be an IP address or 'localhost'",
    ),
    Row(
        "a key that does not exist",
        _without_a_key,
        error=InvalidInput,
        names="/nowhere/key.pem",
        says="give readable PEM files",
    ),
    Row(
        "a key of another certificate",
        _with_a_key_of_another_certificate,
        error=InvalidInput,
        names="shop/production",
        says="PEM files that belong together",
    ),
]


@contextlib.asynccontextmanager
async def _unharmed(on: Standing) -> AsyncIterator[None]:
    """Journal, files and processes are after the block as they were before it, and visitors are served."""
    files, seen, programs = everything(on.folder), await on.seen(), await on.keeper.states()
    yield
    assert everything(on.folder) == files
    assert await on.seen() == seen
    assert await on.keeper.states() == programs
    assert (await on.serves()).startswith("1-")


@rows([*UNKNOWN, *UNFIT])
async def test_what_cannot_be_done_here_is_refused_before_harm(row: Row[Attempt], on: Standing) -> None:
    """The promised error names the thing and the remedy; journal and folder are byte for byte as before."""
    async with _unharmed(on):
        with pytest.raises(FairdeployError) as caught:
            await row.attempt(on)

    row.holds(caught.value)


async def test_asking_about_an_unknown_app_is_no_error(on: Standing) -> None:
    """There is nothing there, nothing to abort and no history; asking leaves no trace."""
    async with _unharmed(on):
        assert (await on.deployer.status(NOWHERE)).deployment.revisions == ()
        assert await on.deployer.abort(NOWHERE) is None
        assert await on.deployer.history(NOWHERE) == ()
        assert await on.deployer.recover() == ()
