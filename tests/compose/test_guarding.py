"""A deploying program dies, and the guard of a Compose project goes on, whatever journal the rollout is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen, Deployer, Outcome, Release, Target
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.guard import open_backend
from fairdeploy.host.keeper import open_keeper
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Ended
from tests.killing import killed_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(600)]

PROGRAM = """
import anyio, sys
from fairdeploy import BlueGreen, Deployer, Release, Target
from fairdeploy.backends.compose import ComposeBackend

async def main():
    async with ComposeBackend.open(sys.argv[1]) as backend:
        deployer = Deployer(backend, validate=False)
        plan = await deployer.plan(Target("beside"), Release("w2", command=["sleep", "3601"]), BlueGreen(watch=600))
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                print(event.record.kind, getattr(event.record, "step", ""), flush=True)

anyio.run(main)
"""


async def test_the_guard_finds_the_journal_that_was_given(made: Project, tmp_path: Path) -> None:
    """The URI names it: another program deploys into it, dies, and the guard brings back what was stable."""
    target, first = Target("beside"), Release("w1", command=["sleep", "3600"])
    async with (
        SQLiteJournal.open(tmp_path / "records" / "all.sqlite") as records,
        ComposeBackend.open(made.file, "beside", home=made.home, journal=records) as backend,
    ):
        try:
            await Deployer(backend, validate=False).deploy(target, first, BlueGreen(watch=0, keep_warm=0))
            async with open_backend(backend.uri) as again:
                assert (again.uri, again.journal.key) == (backend.uri, records.key)
            await killed_at("intended watch", "-c", PROGRAM, backend.uri)
            with anyio.fail_after(200):
                while await records.rollouts(unfinished=True):  # noqa: ASYNC110 -- the guard is at work
                    await anyio.sleep(0.2)
            ends = [each.record.result for each in await records.read() if isinstance(each.record, Ended)]
            seen = await backend.observe(target)
        finally:
            with anyio.CancelScope(shield=True):
                await open_keeper(made.home / "keeper").shutdown()
    assert [each.outcome for each in ends] == [Outcome.PROMOTED, Outcome.ROLLED_BACK]
    assert [each.id for each in seen.revisions] == [first.revision]
    assert not (made.home / "journal.sqlite").exists()
