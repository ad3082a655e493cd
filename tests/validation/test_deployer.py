from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fairdeploy.backends.local import LocalBackend
from fairdeploy.engine import Deployer
from fairdeploy.engine.validating import rehearsable
from fairdeploy.errors import InvalidInput, ValidationError
from fairdeploy.model import (
    Release,
    SecretRef,
    Target,
    TCPCheck,
)
from fairdeploy.preflight import DeploymentValidator
from fairdeploy.protocols import Fence
from fairdeploy.strategies import BlueGreen, Canary, Recreate, Rolling
from fairdeploy.testing.simulation import SimulatedBackend
from tests.engine.simulated import ONE, SHOP, TWO, House, virtually
from tests.ports import free_port
from tests.strategies.worlds import EVERYTHING, NEW, deployed
from tests.validation.places import application, left, place, target

SWITCH = BlueGreen(watch=0, keep_warm=0, preview_header=None)
KNOWN = "your-super-secret-and-long-postgres-password"


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[LocalBackend]:
    """Give a backend without anything in it."""
    async with place(tmp_path) as found:
        yield found


def careless(monkeypatch: pytest.MonkeyPatch) -> Release:
    """Return a release whose password stands in every example file."""
    monkeypatch.setenv("SHOP_DB_PASSWORD", KNOWN)
    return application("polite", env={"DB_PASSWORD": SecretRef.env("SHOP_DB_PASSWORD")})


@pytest.mark.anyio
@pytest.mark.local
async def test_a_critical_finding_refuses_before_anything_has_changed(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs, nothing is journaled, no file of the target is written; the error carries the report."""
    where = target()
    with pytest.raises(ValidationError, match=r"'DB_PASSWORD' .* is a placeholder") as refused:
        await Deployer(backend).deploy(where, careless(monkeypatch), SWITCH)
    assert KNOWN not in str(refused.value)
    assert refused.value.result is not None
    assert refused.value.result.refused
    assert "validate=False" in str(refused.value)
    assert (await backend.observe(where)).revisions == ()
    assert await backend.journal.rollouts() == ()
    folder = Path(backend.uri.removeprefix("local://"))
    assert not list((folder / "targets").iterdir())
    assert not (folder / "rehearsals").exists()


@pytest.mark.anyio
@pytest.mark.local
async def test_who_is_told_not_to_look_deploys_all_the_same(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one deployment, or for a deployer; and a good release is looked at, tried and deployed."""
    where, bad = target(), careless(monkeypatch)
    assert (await Deployer(backend, validate=False).deploy(where, bad, SWITCH)).promoted
    good = application("polite", env={"LOG_LEVEL": "info"})
    assert (await Deployer(backend).deploy(where, good, SWITCH)).promoted
    assert left(backend) == []
    report = await DeploymentValidator(backend, where, good, without={"rehearsal"}).validate_deployment()
    found = {finding.name: finding for finding in report.results}
    assert found["weights"].passed
    assert found["lease"].passed
    assert "more copies" in found["memory"].message, "a copy runs: what a second one needs is known"


@pytest.mark.anyio
@pytest.mark.local
async def test_a_shared_check_of_the_deployer_is_asked_before(backend: LocalBackend) -> None:
    """What both revisions stand on must be there; nothing is started for nothing."""
    address = f"127.0.0.1:{free_port()}"
    deployer = Deployer(backend, checks={"database": TCPCheck(address, scope="shared")})
    with pytest.raises(ValidationError, match="'database': fail"):
        await deployer.deploy(target(), application("polite"), SWITCH)
    assert await backend.journal.rollouts() == ()
    assert not (Path(backend.uri.removeprefix("local://")) / "rehearsals").exists()


@pytest.mark.anyio
@pytest.mark.local
async def test_warnings_are_logged_and_deploy(
    backend: LocalBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """A rude application is deployed, as its requests are counted to none first; the log says what it does."""
    with caplog.at_level(logging.WARNING, logger="fairdeploy"):
        assert (await Deployer(backend).deploy(target(), application("rude"), SWITCH)).promoted
    assert any("drain: " in record.message for record in caplog.records)


def test_a_simulated_deployment_is_looked_at_without_taking_time() -> None:
    """What the release says of itself is refused there too."""

    async def story() -> None:
        house = House()
        await house.standing(ONE)
        bad = Release("2", command=["serve", "{port}"], env={"API_TOKEN": "changeme"})
        with pytest.raises(ValidationError, match="'API_TOKEN' in env is a placeholder"):
            await house.deployer.deploy(SHOP, bad, SWITCH)
        assert (await house.deployer.deploy(SHOP, bad, SWITCH, validate=False)).promoted

    virtually(story)


def test_who_acts_and_who_moved_the_traffic_is_found() -> None:
    """Another's rollout is critical; a split that no rollout has left is a warning."""

    async def story() -> None:
        house = House()
        await house.standing(ONE, TWO)
        look = DeploymentValidator(house.backend, SHOP, TWO)
        found = {each.name: each for each in (await look.validate_deployment()).results}
        assert found["lease"].passed
        assert found["weights"].passed

        router = house.backend.router
        assert router is not None
        written = (await router.observe(SHOP)).written
        assert written is not None
        await router.apply(SHOP, replace(written, split=None), Fence(epoch=99, key="by hand"))
        found = {each.name: each for each in (await look.validate_deployment()).results}
        assert not found["weights"].passed
        assert "changed the router by hand" in found["weights"].message

        plan = await house.deployer.plan(SHOP, ONE, SWITCH)
        await house.backend.journal.begin("another", plan, "ada@laptop:1", 15_000)
        result = await look.validate_deployment()
        assert result.refused
        assert "'another' of 'ada@laptop:1'" in result.message

    virtually(story)


@pytest.mark.parametrize(
    ("strategy", "fits"),
    [(BlueGreen(), True), (Canary(), True), (Rolling(), True), (Recreate(), False)],
)
def test_nothing_is_tried_beside_what_must_not_run_with_it(strategy: BlueGreen, fits: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """Where the old one is stopped first, a trial instance would run together with it."""
    where = Target("shop", replicas=4, endpoint="127.0.0.1:8080")
    plan = strategy.plan(NEW, where, deployed(), EVERYTHING)
    assert rehearsable(plan, plan.bases[0]) is fits


def test_validate_must_be_true_or_false() -> None:
    """The text 'no' would count as true."""
    with pytest.raises(InvalidInput, match="validate must be True or False"):
        Deployer(SimulatedBackend(), validate="no")  # type: ignore[arg-type]  # the point of the test
