from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import StartError
from fairdeploy.model import Job, Release, Target
from fairdeploy.protocols import Fence, JobState
from tests.backends.local import FENCE, kept, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from fairdeploy.backends.local import LocalBackend

    Opened = Callable[[Path], AbstractAsyncContextManager[LocalBackend]]

pytestmark = pytest.mark.anyio

TARGET = Target("api")
RELEASE = Release("1", command=["sleep", "3600"], env={"PORT": "{port}", "MODE": "{revision}"})


def _job(*command: str) -> Job:
    return Job("migrate", command=command)


async def _ended(backend: LocalBackend, job: Job, fence: Fence = FENCE) -> JobState:
    return await until(
        lambda: backend.execute(TARGET, RELEASE.revision, RELEASE, job, fence),
        lambda seen: seen.phase != "running",
    )


async def test_a_job_runs_once_per_key(backend: LocalBackend, folder: Path) -> None:
    """Asked again with the same key it tells its end; another key is another run."""
    job = _job("sh", "-c", f"echo ran >> {folder}/count; echo $MODE $PORT.")

    first = await _ended(backend, job)
    again = await _ended(backend, job)
    await _ended(backend, job, Fence(epoch=1, key="other"))

    assert first == again == JobState(phase="succeeded", exit_code=0, output=(f"{RELEASE.revision} .",))
    assert (folder / "count").read_text() == "ran\n" * 2


@pytest.mark.parametrize(("command", "code"), [("exit 3", 3), ("kill -9 $$", -9)])
async def test_a_job_that_fails_tells_how(backend: LocalBackend, command: str, code: int) -> None:
    """Its exit status, or the signal as a negative number, and its last lines."""
    state = await _ended(backend, _job("sh", "-c", f"echo one; echo two >&2; {command}"))

    assert state == JobState(phase="failed", exit_code=code, output=("one", "two"))


async def test_the_last_words_of_a_job_are_awaited(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is known before its keeper has written down all that it said: what comes late is told too."""
    await backend.execute(TARGET, RELEASE.revision, RELEASE, _job("sleep", "3600"), FENCE)
    (spec,) = backend._folder.rglob("jobs/*/spec.json")
    stop = backend._keeper.stop

    async def late(name: str) -> None:
        await stop(name)
        with spec.with_name("output.log").open("a", encoding="utf-8") as log:
            log.write("at last\n")

    monkeypatch.setattr(type(backend._keeper), "stop", lambda _, name: late(name))
    spec.with_name("result.json").write_text('{"exit_code": 0}')

    assert (await _ended(backend, _job("sleep", "3600"))).output == ("at last",)


async def test_a_job_outlives_its_deployer(folder: Path, opened: Opened) -> None:
    """The next program finds it running, and then its end."""
    job = _job("sh", "-c", f"until test -e {folder}/go; do sleep 0.01; done; echo done")
    async with opened(folder / "b") as backend:
        assert (await backend.execute(TARGET, RELEASE.revision, RELEASE, job, FENCE)).phase == "running"
    async with opened(folder / "b") as backend:
        assert (await backend.execute(TARGET, RELEASE.revision, RELEASE, job, FENCE)).phase == "running"
        (folder / "go").touch()
        assert (await _ended(backend, job)).output == ("done",)


async def test_a_job_that_was_interrupted_is_not_run_again(backend: LocalBackend, folder: Path) -> None:
    """A migration half done must be looked at, not repeated."""
    job = _job("sh", "-c", f"echo ran >> {folder}/count; sleep 3600")
    state = backend.execute(TARGET, RELEASE.revision, RELEASE, job, FENCE)
    assert (await state).phase == "running"

    async def count() -> str:
        return (folder / "count").read_text() if (folder / "count").exists() else ""

    await until(count, lambda text: text == "ran\n")  # the shell opens the file before it writes
    await backend.shutdown()
    state_after = await _ended(backend, job)

    assert (state_after.phase, (folder / "count").read_text()) == ("failed", "ran\n")


async def test_removing_a_revision_ends_its_jobs(backend: LocalBackend) -> None:
    """Nothing of it goes on running."""
    await backend.execute(TARGET, RELEASE.revision, RELEASE, _job("sleep", "3600"), FENCE)

    await backend.remove(TARGET, RELEASE.revision, FENCE)

    assert len(kept(backend)) == 1  # supervisord
    assert not await backend._keeper.states()


async def test_a_missing_program_is_named(backend: LocalBackend) -> None:
    """As with instances, before anything has changed."""
    with pytest.raises(StartError, match="program 'no-such-thing'"):
        await _ended(backend, _job("no-such-thing"))

    assert not kept(backend)


async def test_output_is_bounded(backend: LocalBackend) -> None:
    """A job that never stops writing leaves its last lines."""
    state = await _ended(backend, _job("sh", "-c", "seq 1 400000"))

    assert state.output[-1] == "400000"
    assert len(state.output) == 200
    assert sum(path.stat().st_size for path in backend._folder.rglob("output.log*")) < 1_500_000
