"""The guard as it is kept on one machine: real processes, real load, and programs that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import pytest

from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.errors import InvalidInput
from fairdeploy.host._guarding import guarded
from fairdeploy.host._home import Home
from fairdeploy.host._process import marked
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Ended, Event, Intended, Outcome, TookOver, Undoing
from fairdeploy.testing.load import LoadProcess, LoadReport
from tests.backends.local import DEADLINE, until
from tests.contracts import source
from tests.proof.deployment import STRATEGIES
from tests.proof.stage import Stage, application, kill_at, lost, stage, under_load

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]


@asynccontextmanager
async def standing(folder: Path, *, guard: bool = True) -> AsyncIterator[Stage]:
    """Have a first release stand, guarded or not; nothing is left over in the end."""
    async with stage(folder, guard=guard) as on:
        await on.deployer.deploy(on.target, application("v0"), STRATEGIES["blue_green"])
        yield on
    assert marked(Home.of(folder / "keeper").mark) == []


def keeper(on: Stage) -> SupervisorKeeper:
    """Return the folder's keeper."""
    return SupervisorKeeper(on.folder / "keeper")


async def pid_of_guard(on: Stage) -> int:
    """Return the process of the guard that is kept, once it runs."""

    async def look() -> int | None:
        found = (await keeper(on).states()).get("guard")
        return found.pid if found else None

    pid = await until(look, lambda seen: seen is not None)
    assert pid is not None
    return pid


async def events(on: Stage) -> list[Event]:
    """Return the events of the last rollout that is no retirement."""
    infos = [info for info in await on.deployer.history(on.target) if info.plan.strategy != "retire"]
    return list(await on.backend.journal.read(infos[-1].id))


async def kinds(on: Stage) -> list[str]:
    """Return the kinds of the last rollout's records."""
    return [event.record.kind for event in await events(on)]


async def ending(on: Stage, *, seconds: float = DEADLINE) -> Outcome:
    """Wait for the end of the last rollout, and return it."""
    seen = await until(lambda: events(on), lambda seen: isinstance(seen[-1].record, Ended), seconds=seconds)
    ended = [event.record for event in seen if isinstance(event.record, Ended)]
    assert len(ended) == 1
    return ended[0].result.outcome


async def serves_alone(on: Stage, version: str) -> bool:
    """Whether one version has all the traffic, and nothing else is there."""
    status = await on.deployer.status(on.target)
    stable, split = str(status.deployment.stable), status.deployment.split
    return (
        stable.startswith(f"{version}-")
        and split is not None
        and split.share(stable) == 10_000
        and await on.leftovers() == set()
    )


@asynccontextmanager
async def a_guard(on: Stage, *more: str) -> AsyncIterator[anyio.abc.Process]:
    """Run a guard beside whatever else guards, until the block ends."""
    argv = [sys.executable, "-m", "fairdeploy.guard", on.backend.uri, "--interval", "0.2", *more]
    with (on.folder / "beside.log").open("ab") as log:
        process = await anyio.open_process(argv, cwd=source.ROOT, stdout=None, stderr=log)
    async with process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


def said(on: Stage, name: str = "guard.log") -> str:
    """Return what a guard has logged."""
    path = on.folder / name
    return path.read_text() if path.exists() else ""


async def last_started(load: LoadProcess, version: str) -> float:
    """Return when the last request to a version was started, as told by a load that has heard of what is so far."""
    now = anyio.current_time()

    async def look() -> LoadReport:
        return load.snapshot()

    seen = await until(look, lambda seen: seen.started + seen.seconds > now)
    (found,) = [each for name, each in seen.by_revision.items() if name.startswith(f"{version}-")]
    return found.last_started


@pytest.mark.load
async def test_traffic_is_back_by_itself_when_the_deployer_is_killed(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """SIGKILL at 25 % under load: the guard brings all traffic back to stable, and no request is lost."""
    async with standing(tmp_path / "deployments") as on:
        async with under_load(on.url, rate=150, requests=100_000) as load:
            await kill_at(on, "long canary", "bake-25 intended", "guard")
            killed = anyio.current_time()
            assert await ending(on) is Outcome.ROLLED_BACK
            ended = anyio.current_time()
            back = await last_started(load, "v1")
        record_property(
            "guard", f"traffic back {back - killed:.2f} s after the kill, ended {ended - killed:.2f} s"
        )
        report = load.report()
        assert report.lost == 0, lost(report)
        assert await serves_alone(on, "v0")
        assert back - killed < 60
        # What it did is in the journal before it is in its log.
        await until(log_of(on), lambda text: "its holder is gone" in text and "rolled_back" in text)


@pytest.mark.load
@pytest.mark.proof
async def test_a_deployer_that_is_stopped_is_taken_over_and_wakes_without_harm(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """SIGSTOP at 25 %: it looks alive, so its lease must expire; when it wakes, it acts no more."""
    async with standing(tmp_path / "deployments") as on:
        argv = [sys.executable, "-m", "tests.proof.deployment", str(on.folder), str(on.target.endpoint), "v1"]
        async with (
            under_load(on.url, rate=100, requests=100_000) as load,
            await anyio.open_process(
                [*argv, "long canary", "guard"], cwd=source.ROOT, stdout=subprocess.DEVNULL
            ) as program,
        ):
            await until(lambda: steps(on), lambda seen: "bake-25" in seen)
            program.send_signal(signal.SIGSTOP)
            try:
                stopped = anyio.current_time()
                # Stopped amid a write, it is let run until that is done, and may renew its lease once more in it.
                assert await ending(on) is Outcome.ROLLED_BACK
                back = await last_started(load, "v1")
            finally:
                program.send_signal(signal.SIGCONT)  # nothing waits for one that stands still
            with anyio.fail_after(60):
                assert await program.wait() == 0
        record_property("guard", f"traffic back {back - stopped:.2f} s after the stop; the lease is 15 s")
        report = load.report()
        assert report.lost == 0, lost(report)
        assert await serves_alone(on, "v0")
        assert "parked" not in await kinds(on)


async def steps(on: Stage) -> list[str]:
    """Return the steps that the last rollout has begun."""
    return [event.record.step for event in await events(on) if isinstance(event.record, Intended)]


@pytest.mark.load
async def test_two_guards_do_no_harm(tmp_path: Path) -> None:
    """Both see the dead deployer: one end, no request lost, and the one that nobody keeps leaves with 0."""
    async with standing(tmp_path / "deployments") as on, a_guard(on, "--linger", "3") as beside:
        async with under_load(on.url, rate=100, requests=100_000) as load:
            await kill_at(on, "long canary", "bake-25 intended", "guard")
            assert await ending(on) is Outcome.ROLLED_BACK
        report = load.report()
        assert report.lost == 0, lost(report)
        assert await serves_alone(on, "v0")
        epochs = [event.epoch for event in await events(on) if event.epoch]
        assert epochs == sorted(epochs)
        with anyio.fail_after(60):
            assert await beside.wait() == 0
        assert "nothing is open or due any more" in said(on, "beside.log")


@pytest.mark.load
@pytest.mark.parametrize(
    "place",
    [
        TookOver,
        pytest.param(Undoing, marks=pytest.mark.proof),
        pytest.param(Intended, marks=pytest.mark.proof),
    ],
)
async def test_a_guard_that_is_killed_on_the_way_back_is_followed_by_another(
    place: type[TookOver | Undoing | Intended], tmp_path: Path
) -> None:
    """A double crash: the keeper starts the guard again, and it goes on from the journal."""
    async with standing(tmp_path / "deployments") as on:
        async with under_load(on.url, rate=100, requests=100_000) as load:
            await kill_at(on, "long canary", "bake-25 intended", "guard")
            first = await pid_of_guard(on)

            def reached(seen: list[Event]) -> bool:
                kinds = [type(event.record) for event in seen]
                return TookOver in kinds and place in kinds[kinds.index(TookOver) :]

            while not reached(await events(on)):  # noqa: ASYNC110 - another process writes them
                await anyio.sleep(0.005)
            os.kill(first, signal.SIGKILL)
            assert await ending(on) is Outcome.ROLLED_BACK
        report = load.report()
        assert report.lost == 0, lost(report)
        assert await serves_alone(on, "v0")
        # Had the first one come to the end before it was killed, its keeper might not have heard of its death yet.
        await until(lambda: pid_of_guard(on), lambda seen: seen != first)


async def test_a_guard_that_is_asked_to_leave_parks_and_aborts_nothing(tmp_path: Path) -> None:
    """SIGTERM on the way back: exit status 143, the rollout open, and the next guard ends it."""
    async with standing(tmp_path / "deployments", guard=False) as on:
        await kill_at(on, "long canary", "bake-25 intended")
        async with a_guard(on) as guard:
            await until(lambda: kinds(on), lambda seen: "took_over" in seen)
            guard.terminate()
            with anyio.fail_after(60):
                assert await guard.wait() == 128 + signal.SIGTERM
        assert "parked" not in await kinds(on)
        assert "finishing what is in hand" in said(on, "beside.log")
        async with a_guard(on, "--linger", "0.1") as guard:
            assert await ending(on) is Outcome.ROLLED_BACK
            with anyio.fail_after(60):
                assert await guard.wait() == 0
        assert await serves_alone(on, "v0")


async def test_a_warm_window_ends_without_its_deployer(tmp_path: Path) -> None:
    """The deployer leaves after its promotion; the guard stops the old revision when its time has come."""
    async with standing(tmp_path / "deployments") as on:
        await on.deployer.deploy(on.target, application("v1"), STRATEGIES["warm"])
        assert len(await on.leftovers()) == 1
        await until(on.leftovers, lambda seen: not seen)
        assert await serves_alone(on, "v1")
        await until(lambda: on.backend.journal.rollouts(unfinished=True), lambda seen: not seen)
        await until(log_of(on), lambda text: "the warm window of v0-" in text)


async def test_an_approval_times_out_without_its_deployer(tmp_path: Path) -> None:
    """The deployer is killed while it waits; when the time is over the guard aborts."""
    async with standing(tmp_path / "deployments") as on:
        await kill_at(on, "approved", " parked", "guard")
        assert await ending(on) is Outcome.ABORTED
        assert await serves_alone(on, "v0")


async def test_a_guard_without_bindings_refuses_to_go_forward(tmp_path: Path) -> None:
    """It says what is missing, once, and changes nothing; one that declares it promotes."""
    async with standing(tmp_path / "deployments") as on:
        await kill_at(on, "resumed", "bake-25 intended", "guard")
        await until(log_of(on), lambda text: "'fine'" in text)
        assert "took_over" not in await kinds(on)
        async with a_guard(on, "--module", "tests.proof.deployment", "--linger", "1"):
            assert await ending(on) is Outcome.PROMOTED
        assert await serves_alone(on, "v1")
        assert said(on).count("needs the check 'fine'") == 1


def log_of(on: Stage, name: str = "guard.log") -> Callable[[], Awaitable[str]]:
    """Return an async look at the log of a guard: by default of the one that is kept."""

    async def look() -> str:
        return said(on, name)

    return look


async def test_the_guard_is_started_again_when_it_has_left(tmp_path: Path) -> None:
    """Whoever begins finds by the guard's last word that it has left, though the keeper has not heard yet."""
    async with standing(tmp_path / "deployments") as on:
        first = await pid_of_guard(on)
        async with guarded(keeper(on), on.folder, None, uri=on.backend.uri):
            assert await pid_of_guard(on) == first
        # Before it says so it has not opened its door, and would strike out what is written there.
        await until(log_of(on), lambda text: "guarding" in text)
        (on.folder / "guard.door").write_text(str(first))
        async with guarded(keeper(on), on.folder, None, uri=on.backend.uri):
            assert await pid_of_guard(on) != first


async def test_a_guard_does_not_leave_while_somebody_begins(tmp_path: Path) -> None:
    """With the door held open it stays, however short it was to linger; then it goes."""
    async with standing(tmp_path / "deployments", guard=False) as on:
        door = on.folder / "guard.door"
        async with AsyncExitStack() as begins:
            await begins.enter_async_context(guarded(keeper(on), on.folder, None, uri=on.backend.uri))
            # The one that is kept opens the door as it comes, and would strike out what the other one writes there.
            await until(log_of(on), lambda text: "guarding" in text)
            async with a_guard(on, "--linger", "0.1", "--door", str(door)) as process:
                await until(log_of(on, "beside.log"), lambda text: "guarding" in text)
                with anyio.move_on_after(3) as waited:
                    await process.wait()
                assert waited.cancelled_caught
                await begins.aclose()
                with anyio.fail_after(60):
                    assert await process.wait() == 0
        assert door.read_text() == str(process.pid)


async def test_a_given_journal_is_not_guarded(tmp_path: Path) -> None:
    """A guard would not find it: by default there is none, and asking for one is refused."""
    journal = MemoryJournal()
    async with LocalBackend.open(tmp_path / "a", journal=journal) as backend:
        assert backend.journal is journal
    with pytest.raises(InvalidInput, match="leave out guard=True"):
        async with LocalBackend.open(tmp_path / "b", journal=journal, guard=True):
            pass
    assert not (tmp_path / "b").exists()


async def test_bindings_are_the_name_of_a_module(tmp_path: Path) -> None:
    """They become part of a file's name, so a path is refused."""
    with pytest.raises(InvalidInput, match="no name of a module"):
        async with LocalBackend.open(tmp_path / "a", bindings="../bindings"):
            pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere://x"], "no installed package opens 'nowhere' backends, only"),
        (["/srv/deployments"], "is no URI of a backend"),
        (["local://me:s3cret@x/y"], "a URI with a password"),
        (["local:///proc/x"], "cannot be"),
        (["local:///tmp", "--module", "tests.nowhere"], "cannot be imported"),
        (["local:///tmp", "--module", "tests.contracts.source"], "must declare"),
        (["local:///tmp", "--module", "tests.guard.wrong_bindings"], "mapping of names to metric sources"),
    ],
)
def test_what_a_guard_cannot_use_is_said_in_one_line(arguments: list[str], words: str) -> None:
    """Exit status 1, one line, no traceback, and no secret."""
    ran = subprocess.run(
        [sys.executable, "-m", "fairdeploy.guard", *arguments],
        cwd=source.ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert words in line
    assert "s3cret" not in line


async def test_a_folder_from_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    """The guard says which version it would need, and changes nothing."""
    async with LocalBackend.open(tmp_path / "a", guard=False) as backend:
        uri = backend.uri
    (tmp_path / "a" / "folder.json").write_text('{"schema": 99, "boot": ""}')
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*") if path.is_file()}
    ran = await anyio.run_process(
        [sys.executable, "-m", "fairdeploy.guard", uri], cwd=source.ROOT, check=False
    )
    assert ran.returncode == 1
    assert b"is of schema 99" in ran.stderr
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*") if path.is_file()}
    assert after == before
