"""Containers are asked by commands of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen, CommandProbe, Probes
from fairdeploy.errors import StartError
from fairdeploy.protocols import Fence
from tests.compose.stage import application, stage

if TYPE_CHECKING:
    from fairdeploy import Release
    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.nightly, pytest.mark.timeout(400)]


def asked_by(version: str, *command: str) -> Release:
    """Return a release that is ready when a command says so."""
    return replace(application(version), probes=Probes(readiness=CommandProbe(command, interval_ms=100)))


async def test_a_command_in_the_container_says_when_it_is_ready(made: Project) -> None:
    """Placeholders mean what they mean elsewhere; a program that is not in the image is told of as that."""
    async with stage(made, replicas=1) as on:
        good = asked_by("v1", "wget", "-qO-", "http://127.0.0.1:{port}/health")
        quick = BlueGreen(watch=0, keep_warm=0, analysis=())
        assert (await on.deployer.deploy(on.target, good, quick)).promoted

        with pytest.raises(StartError, match=r"placeholder '\{uds\}'.*use \{port\}"):
            await on.backend.check(on.target, asked_by("v2", "cat", "{uds}"))

        absent = asked_by("v3", "curl", "http://127.0.0.1:{port}/health")
        fence = Fence(epoch=1_000, key="absent")
        await on.backend.ensure(on.target, absent.revision, absent, 1, fence)
        detail = ""
        with anyio.fail_after(60):
            while "curl" not in detail:
                seen = await on.backend.observe(on.target)
                (new,) = [each for each in seen.revisions if each.id == absent.revision]
                detail = new.instances[0].detail if new.instances else ""
                await anyio.sleep(0.1)
        assert "curl: cannot be run in the container" in detail
        await on.backend.remove(on.target, absent.revision, fence)
