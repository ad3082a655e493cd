from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.backends.local import LocalBackend
from fairdeploy.errors import BackendError, Fenced, StartError
from fairdeploy.host._process import Identity, marked
from fairdeploy.model import Capability, CommandProbe, HTTPProbe, Probes, Release, Target, TCPProbe
from fairdeploy.protocols import Fence
from tests.backends.local import (
    FENCE,
    SERVING,
    ask,
    command_lines,
    kept,
    killed,
    modes,
    names,
    pid_of,
    read,
    ready,
    revision,
    serving,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    Opened = Callable[[Path], AbstractAsyncContextManager[LocalBackend]]

pytestmark = pytest.mark.anyio

TARGET = Target("api")
WORKER = Release("1", command=["sleep", "3600"])


async def _up(backend: LocalBackend, release: Release, replicas: int = 1, target: Target = TARGET) -> None:
    await backend.ensure(target, release.revision, release, replicas, FENCE)


async def test_a_target_never_seen_is_empty(backend: LocalBackend) -> None:
    """It is no error, and nothing is made for it."""
    found = await backend.observe(TARGET)

    assert (found.revisions, found.stable, found.split) == ((), None, None)
    assert await backend.tail(TARGET, "1-abc", 10) == {}


@pytest.mark.parametrize("address", ["--port={port}", "--uds={uds}"])
async def test_instances_come_up_on_addresses_of_their_own(backend: LocalBackend, address: str) -> None:
    """Each replica listens where the backend said, and is ready once its probe passes."""
    release = serving(address=address)

    await _up(backend, release, 2)
    instances = await ready(backend, TARGET, release, 2)

    assert len({instance.address for instance in instances}) == 2
    assert [instance.state for instance in instances] == ["running", "running"]
    assert len({await pid_of(instance) for instance in instances}) == 2


@pytest.mark.parametrize(
    "probe",
    [
        None,
        TCPProbe(interval_ms=20),
        HTTPProbe("/", interval_ms=20, successes=3),
        CommandProbe(
            (
                sys.executable,
                "-I",
                "-S",
                "-c",
                "import socket; socket.create_connection(('127.0.0.1', {port}))",
            )
        ),
    ],
)
async def test_every_kind_of_readiness(
    backend: LocalBackend, probe: HTTPProbe | TCPProbe | CommandProbe | None
) -> None:
    """HTTP, TCP, a command, or just the port."""
    release = serving(probes=Probes(readiness=probe))

    await _up(backend, release)

    assert (await ready(backend, TARGET, release))[0].detail == ""


@pytest.mark.parametrize(
    ("words", "probe", "detail"),
    [
        (("--status", "500"), HTTPProbe("/", interval_ms=20), "GET /: status 500"),
        ((), HTTPProbe("/hang", interval_ms=20, timeout_ms=50), "GET /hang: no answer in 50 ms"),
        ((), CommandProbe(("false",), interval_ms=20), "false: exit status 1"),
        ((), CommandProbe(("/nowhere/x",), interval_ms=20), "/nowhere/x: cannot be run"),
    ],
)
async def test_an_instance_that_is_not_ready_says_why(
    backend: LocalBackend, words: tuple[str, ...], probe: HTTPProbe | CommandProbe, detail: str
) -> None:
    """The detail is what the probe found."""
    release = serving("1", *words, probes=Probes(readiness=probe))
    await _up(backend, release)

    found = await until(
        lambda: revision(backend, TARGET, release), lambda seen: detail in seen.instances[0].detail
    )

    assert (found.instances[0].ready, found.instances[0].state) == (False, "starting")


async def test_a_port_that_never_opens_is_told(backend: LocalBackend) -> None:
    """The address is named."""
    release = Release("1", command=["sleep", "3600"], env={"PORT": "{port}"})
    await _up(backend, release)

    found = await until(
        lambda: revision(backend, TARGET, release),
        lambda seen: "127.0.0.1:" in seen.instances[0].detail,
    )

    assert not found.ready


async def test_a_worker_is_ready_when_it_runs(backend: LocalBackend) -> None:
    """Without a port there is nothing to wait for."""
    await _up(backend, WORKER)

    assert (await ready(backend, TARGET, WORKER))[0].address is None


async def test_a_command_that_exits_at_once_is_told_with_its_last_words(backend: LocalBackend) -> None:
    """The state is backoff, the detail its exit status, the tail what it wrote."""
    release = Release("1", command=["sh", "-c", "echo cannot; echo go >&2; exit 4"])
    await _up(backend, release)

    found = await until(
        lambda: revision(backend, TARGET, release),
        lambda seen: seen.instances[0].state == "backoff" and seen.instances[0].restarts > 0,
    )

    assert found.instances[0].detail == "exited with status 4; will be started again"
    # Meanwhile it may have been started again, and have said one of the two.
    wanted = {found.instances[0].id: ("cannot", "go")}
    await until(lambda: backend.tail(TARGET, release.revision, 2), lambda words: words == wanted)


async def test_ensuring_again_changes_nothing(backend: LocalBackend) -> None:
    """The effect is level-triggered, also when two callers apply it at the same time."""
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(_up, backend, WORKER, 2)
    before = await ready(backend, TARGET, WORKER, 2)

    await _up(backend, WORKER, 2)

    assert await ready(backend, TARGET, WORKER, 2) == before


async def test_only_what_is_drained_is_stopped(backend: LocalBackend) -> None:
    """A smaller number alone stops nothing; ids are never used again."""
    await _up(backend, WORKER, 3)
    first, second, third = (each.id for each in await ready(backend, TARGET, WORKER, 3))
    await _up(backend, WORKER, 1)
    assert len(await ready(backend, TARGET, WORKER, 3)) == 3

    await backend.quiesce(TARGET, frozenset({first, third, "stranger.1"}), FENCE)
    seen = await revision(backend, TARGET, WORKER)
    assert [each.id for each in seen.quiescing] == [first, third]
    await backend.ensure(TARGET, WORKER.revision, WORKER, 1, FENCE, drained=frozenset({first, third}))
    left = await ready(backend, TARGET, WORKER)
    await _up(backend, WORKER, 2)
    again = await ready(backend, TARGET, WORKER, 2)

    assert [each.id for each in left] == [second]
    assert again[1].id not in {first, second, third}
    assert (await revision(backend, TARGET, WORKER)).replicas == 2


async def test_instances_outlive_the_program_that_started_them(folder: Path, opened: Opened) -> None:
    """A crash while no backend is open is followed by a restart, which the next backend counts."""
    release = serving()
    async with opened(folder / "b") as backend:
        await _up(backend, release)
        before = await pid_of((await ready(backend, TARGET, release))[0])

    os.kill(before, signal.SIGKILL)
    async with opened(folder / "b") as backend:
        instance = (
            await until(
                lambda: revision(backend, TARGET, release),
                lambda seen: len(seen.ready) == 1 and seen.ready[0].restarts == 1,
            )
        ).instances[0]
        assert await pid_of(instance) != before


async def test_an_instance_that_hangs_is_restarted_while_nobody_is_there(
    folder: Path, opened: Opened
) -> None:
    """Liveness is watched by a program that the keeper keeps."""
    # Long enough for an answer of a well one on a busy machine: it is restarted once.
    probe = HTTPProbe("/", interval_ms=50, timeout_ms=3_000, failures=2)
    release = serving(probes=Probes(readiness=probe, liveness=probe))
    async with opened(folder / "b") as backend:
        await _up(backend, release)
        instance = (await ready(backend, TARGET, release))[0]
        stuck = Identity.of(await pid_of(instance))
        watcher = (await backend._keeper.states())["watch"].pid
    assert stuck is not None
    assert watcher is not None

    async def watched() -> str:
        return (folder / "b" / "watch.log").read_text()

    await until(watched, lambda text: "being watched" in text)
    os.kill(stuck.pid, signal.SIGSTOP)

    async def alive() -> bool:
        return stuck.alive

    await until(alive, lambda seen: not seen)
    async with opened(folder / "b") as backend:
        await until(
            lambda: revision(backend, TARGET, release),
            lambda seen: len(seen.ready) == 1 and seen.ready[0].restarts == 1,
        )
        await backend.remove(TARGET, release.revision, FENCE)
        assert "watch" not in await backend._keeper.states()


async def test_environment_is_what_was_given_and_little_else(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placeholders are filled, a few variables inherited, and nothing else of the deployer's comes along."""
    monkeypatch.setenv("DEPLOYER_ONLY", "x")
    env = {"WHERE": "{config}/app.ini", "WHO": "{revision} {instance}", "BRACES": '{"a": {}} {other} %s'}
    release = serving(env=env, config={"app.ini": "mode=fast", "deep/er.txt": "{port}"})
    await _up(backend, release)
    instance = (await ready(backend, TARGET, release))[0]
    assert instance.address is not None

    told = await ask(instance.address)
    given = told["env"]
    assert isinstance(given, dict)

    assert read(given["WHERE"]) == "mode=fast"
    assert given["WHO"] == f"{release.revision} {instance.id}"
    assert given["BRACES"] == env["BRACES"]
    assert given.keys() - {"LC_CTYPE"} <= {
        *env,
        "FAIRDEPLOY_KEEPER",
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "LOGNAME",
        "TMPDIR",
        "TZ",
        "USER",
    }
    assert str(told["cwd"]).endswith(f"{release.revision}/work")


async def test_a_working_directory_is_used(backend: LocalBackend, folder: Path) -> None:
    """A relative program is looked for there."""
    (folder / "run").symlink_to("/bin/sleep")
    release = Release("1", command=["./run", "3600"], workdir=str(folder))

    await _up(backend, release)
    await ready(backend, TARGET, release)

    assert b"./run\x003600\x00" in command_lines(backend)


async def test_a_port_taken_before_the_start_is_replaced(backend: LocalBackend) -> None:
    """An instance that was never ready gets another port when its own is in use."""
    release = serving()
    await _up(backend, release)
    instance = (await ready(backend, TARGET, release))[0]
    assert instance.address is not None
    layout = backend._layout(TARGET)
    await backend._keeper.stop(layout.program(instance.id))
    layout.ready(instance.id).unlink()
    async with await anyio.create_tcp_listener(
        local_host="127.0.0.1", local_port=int(instance.address.rpartition(":")[2])
    ):
        await _up(backend, release)
        after = (await ready(backend, TARGET, release))[0]

        assert after.id == instance.id
        assert after.address != instance.address


async def test_a_socket_left_by_a_killed_instance_is_no_hindrance(backend: LocalBackend) -> None:
    """The next start listens on the same path."""
    release = serving(address="--uds={uds}")
    await _up(backend, release)
    before = (await ready(backend, TARGET, release))[0]
    os.kill(await pid_of(before), signal.SIGKILL)

    found = await until(
        lambda: revision(backend, TARGET, release),
        lambda seen: len(seen.ready) == 1 and seen.ready[0].restarts > 0,
    )

    assert found.ready[0].address == before.address


async def test_removing_stops_all_and_forgets(backend: LocalBackend) -> None:
    """Also an instance that ignores its signal; nothing of the revision is left."""
    release = serving("1", "--stubborn", stop_grace_ms=100)
    await _up(backend, release, 2)
    pids = [await pid_of(each) for each in await ready(backend, TARGET, release, 2)]

    await backend.remove(TARGET, release.revision, FENCE)

    assert not set(pids) & set(kept(backend))
    assert (await backend.observe(TARGET)).revisions == ()
    assert not [path for path in backend._layout(TARGET).base.rglob("*") if release.revision in path.name]
    await backend.remove(TARGET, release.revision, FENCE)


async def test_the_stable_revision_is_not_removed(backend: LocalBackend) -> None:
    """It is refused with its name, and nothing is stopped."""
    await _up(backend, WORKER)
    await backend.promote(TARGET, WORKER.revision, FENCE)

    with pytest.raises(BackendError, match=f"revision '{WORKER.revision}' is the stable one"):
        await backend.remove(TARGET, WORKER.revision, FENCE)

    assert (await backend.observe(TARGET)).stable == WORKER.revision
    assert await ready(backend, TARGET, WORKER)


async def test_what_is_not_there_is_not_promoted(backend: LocalBackend) -> None:
    """The stable mark names a revision that exists."""
    with pytest.raises(BackendError, match="'1-x' is not there"):
        await backend.promote(TARGET, "1-x", FENCE)


async def test_an_older_epoch_is_fenced(backend: LocalBackend) -> None:
    """Once a newer holder has acted, no effect of the older one is carried out."""
    await backend.ensure(TARGET, WORKER.revision, WORKER, 1, Fence(epoch=5, key="new"))
    old = Fence(epoch=4, key="old")

    with pytest.raises(Fenced, match="epoch 4 of 'api/production' has passed"):
        await backend.ensure(TARGET, WORKER.revision, WORKER, 2, old)
    with pytest.raises(Fenced):
        await backend.remove(TARGET, WORKER.revision, old)
    with pytest.raises(Fenced):
        await backend.promote(TARGET, WORKER.revision, old)
    with pytest.raises(Fenced):
        await backend.quiesce(TARGET, frozenset(), old)

    assert Capability.FENCED in backend.capabilities
    assert len(await ready(backend, TARGET, WORKER)) == 1


async def test_apps_and_environments_in_one_folder_are_apart(backend: LocalBackend) -> None:
    """The same release under names that look alike is another deployment each."""
    targets = [
        Target("a", environment="b-c"),
        Target("a-b", environment="c"),
        Target("a.b_c", environment="x" * 63),
        Target("x" * 63, environment="y" * 63),
    ]
    release = Release("V" * 128, command=["sleep", "3600"])
    async with anyio.create_task_group() as group:
        for target in targets:
            group.start_soon(_up, backend, release, 1, target)

    await backend.remove(targets[0], release.revision, FENCE)

    assert (await backend.observe(targets[0])).revisions == ()
    for target in targets[1:]:
        assert await ready(backend, target, release)


async def test_folders_are_private(backend: LocalBackend, folder: Path) -> None:
    """Nobody else can enter any of them."""
    await _up(backend, serving(config={"a/b": "c"}))

    assert modes(folder / "backend") == {0o700}


async def test_a_backend_may_be_left_in_another_task(folder: Path, opened: Opened) -> None:
    """No task, thread or cancel scope is held open between entering and leaving."""
    manager = opened(folder / "b")
    entered: list[LocalBackend] = []

    async def enter() -> None:
        entered.append(await manager.__aenter__())

    async def leave() -> None:
        await manager.__aexit__(None, None, None)

    async with anyio.create_task_group() as group:
        group.start_soon(enter)
    async with anyio.create_task_group() as group:
        group.start_soon(leave)
    await entered[0].aclose()
    await entered[0].aclose()


async def test_the_uri_opens_the_same_folder(folder: Path, opened: Opened) -> None:
    """Whatever characters the path has."""
    async with opened(folder / "a b%20ü#?") as backend:
        uri = backend.uri
        async with LocalBackend.open(uri, keeper=backend._keeper, journal=backend.journal) as again:
            assert again.uri == uri
            assert uri.isascii()


async def test_nothing_of_a_killed_keeper_runs_twice(backend: LocalBackend) -> None:
    """After supervisord was killed, each instance runs once."""
    release = serving()
    await _up(backend, release, 2)
    await ready(backend, TARGET, release, 2)
    daemon = await backend._keeper._running()  # type: ignore[attr-defined]  # the tests open with supervisor
    await killed(daemon)

    instances = await ready(backend, TARGET, release, 2)

    pids = {await pid_of(each) for each in instances}
    assert pids < set(kept(backend))
    assert len(kept(backend)) == 3


@pytest.mark.parametrize(
    ("release", "message"),
    [
        (Release("1", command=["no-such-program", "x"]), "'no-such-program' of release '1'.* on the PATH"),
        (Release("1", command=["./none"]), "'./none' of release '1'.* in "),
        (Release("1", command=["true"], workdir="/nowhere"), "workdir '/nowhere'"),
        (Release("1", image="busybox"), "release '1' has an image and no command"),
        (Release("1", command=[SERVING[-1]]), "is not an executable file"),
    ],
)
async def test_what_cannot_start_is_refused_before_anything_has_changed(
    backend: LocalBackend, folder: Path, release: Release, message: str
) -> None:
    """The error names the program, and nothing is written."""
    before = names(folder)

    with pytest.raises(StartError, match=message):
        await _up(backend, release)

    assert names(folder) == before
    assert not marked(backend._keeper._home.mark)  # type: ignore[attr-defined]  # the tests open with supervisor


async def test_an_instance_that_hangs_does_not_hold_up_who_looks(backend: LocalBackend) -> None:
    """The others are seen while the answer of one is still awaited."""
    endless = HTTPProbe("/hang", interval_ms=20, timeout_ms=3_600_000)
    hung, well = serving("hung", probes=Probes(readiness=endless)), serving("well")
    await _up(backend, hung)
    await _up(backend, well)

    await ready(backend, TARGET, well)

    assert not (await revision(backend, TARGET, hung)).ready
