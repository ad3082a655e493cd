"""A container that works once and ends, asked of a real Docker Engine."""

from __future__ import annotations

from uuid import uuid4

import pytest

from fairdeploy.health import exited, run_check
from fairdeploy.model import Verdict
from tests.docker import docker
from tests.health.serving import NOBODY

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(600)]


async def test_a_container_is_well_only_when_it_ended_with_0(application_image: str) -> None:
    """One that did its work, one that failed, one that still works, and one that nobody made."""
    family = f"fairdeploy-once-{uuid4().hex[:8]}"
    programs = {"did": "true", "failed": "exit 3", "works": "sleep 60"}
    try:
        for name, program in programs.items():
            docker("run", "--detach", "--name", f"{family}-{name}", application_image, "sh", "-c", program)
        docker("wait", f"{family}-did", f"{family}-failed")
        found = {
            name: (await run_check(exited(f"{family}-{name}"), NOBODY)).verdict
            for name in (*programs, "none")
        }
    finally:
        docker("rm", "--force", *(f"{family}-{name}" for name in programs))

    assert found == {
        "did": Verdict.PASS,
        "failed": Verdict.FAIL,
        "works": Verdict.FAIL,
        "none": Verdict.FAIL,
    }
