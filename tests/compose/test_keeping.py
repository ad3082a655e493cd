"""Old containers are kept stopped for a while: going back starts them again, and they are gone in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen
from tests.compose.stage import application, stage

if TYPE_CHECKING:
    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(600)]

QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())


def states(made: Project) -> dict[str, str]:
    """Return the state of every container of the service, by id."""
    service = "label=com.docker.compose.service=app"
    return {
        each: str(made.shown(each)["State"]["Status"])  # type: ignore[index]  # as the engine shows it
        for each in made.containers(service)
    }


def revisions(made: Project) -> list[str]:
    """Return the revisions of which there is a folder."""
    return [path.name for path in made.home.glob("targets/*/revisions/*")]


async def test_who_goes_back_finds_the_same_containers(made: Project) -> None:
    """Stopped, not removed, and nobody's meanwhile; started before they get traffic; a new release ends the window."""
    async with stage(made, replicas=1, keep_stopped=3_600) as on:
        await on.deployer.deploy(on.target, application("v1"), QUICK)
        (first,) = states(made)
        await on.deployer.deploy(on.target, application("v2"), QUICK)
        (second,) = {*states(made)} - {first}
        seen = await on.backend.observe(on.target)
        assert states(made) == {first: "exited", second: "running"}
        assert [each.id for each in seen.revisions] == [application("v2").revision]

        assert (await on.deployer.rollback(on.target)).promoted
        seen = await on.backend.observe(on.target)
        assert states(made) == {first: "running", second: "exited"}
        assert seen.stable == application("v1").revision

        made.run("start", second)
        assert "were kept stopped, and somebody has started them" in (await on.backend.drift(on.target))[0]
        await on.deployer.deploy(on.target, application("v3"), QUICK)
        (third,) = {*states(made)} - {first, second}
        assert states(made) == {first: "exited", third: "running"}


async def test_what_is_kept_goes_when_its_time_is_over(made: Project) -> None:
    """Who watches removes it, while nobody deploys; a release that never served is not kept at all."""
    async with stage(made, replicas=1, guard=True, keep_stopped=2) as on:
        await on.deployer.deploy(on.target, application("v1"), QUICK)
        bad = application("bad", "--health-status", "503")
        plan = await on.deployer.plan(on.target, bad, BlueGreen(watch=0, ready_deadline=3, analysis=()))
        async with on.deployer.run(plan) as rollout:
            assert not (await rollout.result()).promoted
        (first,) = states(made)
        await on.deployer.deploy(on.target, application("v2"), QUICK)
        with anyio.fail_after(150):
            while first in made.containers() or len(revisions(made)) > 1:  # noqa: ASYNC110 -- another program removes it
                await anyio.sleep(0.1)
        assert list(states(made).values()) == ["running"]
        assert revisions(made) == [application("v2").revision]
