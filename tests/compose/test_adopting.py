"""What runs already is taken as it is; what a person does by hand afterwards does no harm, or is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy import BlueGreen, Deployer, Target
from fairdeploy.backends.compose import ComposeBackend
from tests.compose.stage import application, stage

if TYPE_CHECKING:
    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(300)]

QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())


async def test_what_runs_is_adopted_without_a_restart(made: Project) -> None:
    """It is the stable revision; a release that is promoted takes its place, and nothing else changes."""
    made.compose("up", "-d")
    before = set(made.containers("label=com.docker.compose.service=app"))
    beside = made.containers("label=com.docker.compose.service=beside")
    async with stage(made, replicas=1) as on:
        seen = await on.backend.observe(on.target)
        assert {each.id for revision in seen.revisions for each in revision.instances} == before
        assert seen.stable == seen.revisions[0].id
        assert str(seen.stable).startswith("found-")
        result = await on.deployer.deploy(on.target, application("v1"), QUICK)
        assert result.promoted
        after = await on.backend.observe(on.target)
        assert after.stable == application("v1").revision
        assert not before & set(made.containers())
        assert made.containers("label=com.docker.compose.service=beside") == beside
        assert "app-2" in made.compose("ps")
        assert await on.backend.drift(on.target) == ()


async def test_a_bad_release_leaves_what_was_adopted_as_it_is(made: Project) -> None:
    """An application that never gets ready is taken away again; what ran goes on running."""
    made.compose("up", "-d", "app")
    before = made.containers()
    async with stage(made, replicas=1) as on:
        bad = application("bad", "--health-status", "503")
        plan = await on.deployer.plan(on.target, bad, BlueGreen(watch=0, ready_deadline=4, analysis=()))
        async with on.deployer.run(plan) as rollout:
            result = await rollout.result()
        assert not result.promoted
        seen = await on.backend.observe(on.target)
    assert made.containers() == before
    assert seen.stable is not None
    assert [each.id for each in seen.revisions] == [seen.stable]


async def test_what_is_persisted_makes_a_later_up_change_nothing(made: Project) -> None:
    """`docker compose up -d` finds all as it should be; without the file it makes them anew, and that is told."""
    target = Target("app", replicas=2)
    async with ComposeBackend.open(made.file, "app", home=made.home, guard=False, persist=True) as backend:
        await Deployer(backend, validate=False).deploy(target, application("v1"), QUICK)
        before = set(made.containers())
        by_hand = ("compose", "--project-directory", str(made.folder), "up", "-d", "app")
        made.run(*by_hand)
        assert set(made.containers()) == before
        assert await backend.drift(target) == ()
        made.compose("up", "-d", "app")  # with the user's own file alone
        told = await backend.drift(target)
    assert not before & set(made.containers())
    assert "0 of 2 containers of the stable revision" in told[0]
    assert "made by Compose without us" in told[1]


async def test_a_home_is_opened_again_by_its_uri(made: Project) -> None:
    """Whoever recovers needs to know nothing else."""
    async with ComposeBackend.open(made.file, "app", home=made.home, guard=False) as backend:
        uri = backend.uri
    async with ComposeBackend.open(uri, guard=False) as again:
        assert again.uri == uri
        assert (await again.observe(Target("app"))).revisions == ()
