from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

import pytest

from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.errors import StateError
from fairdeploy.host import launch
from fairdeploy.host._process import Identity
from fairdeploy.model import Capability, Release, Target
from tests.backends.local import FENCE, kept, pid_of, ready, serving, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    Opened = Callable[[Path], AbstractAsyncContextManager[LocalBackend]]

pytestmark = pytest.mark.anyio

TARGET = Target("api")
WORKER = Release("1", command=["sleep", "3600"])


async def test_after_a_reboot_what_was_running_runs_again(
    folder: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """Opening the folder brings the instances back on their addresses, and says so."""
    release = serving()
    async with opened(folder / "b") as backend:
        await backend.ensure(TARGET, release.revision, release, 2, FENCE)
        before = await ready(backend, TARGET, release, 2)
        await backend.promote(TARGET, release.revision, FENCE)
        await backend.shutdown()
    record = folder / "b" / "folder.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "boot": "an earlier one"}))

    with caplog.at_level(logging.WARNING, "fairdeploy"):
        async with opened(folder / "b") as backend:
            after = await ready(backend, TARGET, release, 2)
            assert (await backend.observe(TARGET)).stable == release.revision

    assert [each.address for each in after] == [each.address for each in before]
    assert f"starting again 2 instances in '{folder / 'b'}'" in caplog.text
    assert json.loads(record.read_text())["boot"] == launch.boot_id()


async def test_a_pid_of_an_earlier_boot_is_nobody(backend: LocalBackend) -> None:
    """Whoever has the number now is not taken for the instance, nor killed."""
    own = Identity.of(os.getpid())
    assert own is not None

    assert own.alive
    assert not Identity(own.pid, own.start, "an earlier boot").alive
    assert not Identity(own.pid, own.start - 1, own.boot).alive
    assert not Identity(own.pid, own.start - 1, own.boot).kill()


async def test_an_instance_that_nothing_keeps_is_exited_until_ensured(backend: LocalBackend) -> None:
    """Its file was written, its program never started: the next effect starts it."""
    await backend.ensure(TARGET, WORKER.revision, WORKER, 1, FENCE)
    instance = (await ready(backend, TARGET, WORKER))[0]
    await backend._keeper.stop(backend._layout(TARGET).program(instance.id))

    seen = (await backend.observe(TARGET)).revisions[0].instances[0]
    assert (seen.state, seen.ready) == ("exited", False)

    await backend.ensure(TARGET, WORKER.revision, WORKER, 1, FENCE)
    assert (await ready(backend, TARGET, WORKER))[0].id == instance.id


async def test_two_folders_do_not_disturb_each_other(folder: Path, opened: Opened) -> None:
    """The same target in another folder is another deployment."""
    release = serving()
    async with opened(folder / "one") as one, opened(folder / "two") as two:
        await one.ensure(TARGET, release.revision, release, 1, FENCE)
        await two.ensure(TARGET, release.revision, release, 1, FENCE)
        first, second = await ready(one, TARGET, release), await ready(two, TARGET, release)
        assert first[0].address != second[0].address

        await two.remove(TARGET, release.revision, FENCE)

        assert await pid_of((await ready(one, TARGET, release))[0]) in kept(one)


async def test_two_backends_on_one_folder_see_the_same(folder: Path, opened: Opened) -> None:
    """What one does the other observes."""
    async with opened(folder / "b") as one, opened(folder / "b") as two:
        await one.ensure(TARGET, WORKER.revision, WORKER, 1, FENCE)
        await ready(two, TARGET, WORKER)
        await two.promote(TARGET, WORKER.revision, FENCE)

        assert await one.observe(TARGET) == await two.observe(TARGET)


async def test_a_folder_path_of_any_length_works(folder: Path, opened: Opened) -> None:
    """Unix sockets of instances too."""
    release = serving(address="--uds={uds}")
    async with opened(folder / ("x" * 100) / ("y z" * 30)) as backend:
        await backend.ensure(TARGET, release.revision, release, 1, FENCE)

        address = (await ready(backend, TARGET, release))[0].address

    assert address is not None
    assert len(os.fsencode(address.removeprefix("unix:"))) <= 107


async def _open(path: Path) -> None:
    async with LocalBackend.open(path, keeper=SupervisorKeeper(path.parent / "keeper")):
        pass


async def test_a_folder_with_other_things_in_it_is_refused(folder: Path) -> None:
    """Nothing in it is changed, not even its mode."""
    strange = folder / "home"
    strange.mkdir(mode=0o755)
    (strange / "letter.txt").write_text("dear")

    with pytest.raises(StateError, match=f"'{strange}' holds things that are no deployments"):
        await _open(strange)

    assert [path.name for path in strange.iterdir()] == ["letter.txt"]


async def test_a_file_is_no_folder(folder: Path) -> None:
    """The error names it."""
    (folder / "file").touch()

    with pytest.raises(StateError, match=f"'{folder / 'file'}' cannot be used"):
        await _open(folder / "file")


async def test_a_folder_that_cannot_be_written_is_refused(folder: Path) -> None:
    """The error names it and says what to give instead."""
    with pytest.raises(StateError, match=r"'/proc/fairdeploy' cannot be used .*: give a folder"):
        async with LocalBackend.open("/proc/fairdeploy", keeper=SupervisorKeeper(folder)):
            pass


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 2}'])
async def test_a_damaged_or_foreign_folder_is_refused(folder: Path, text: str) -> None:
    """The error names the file or the schema."""
    (folder / "b").mkdir(mode=0o700)
    (folder / "b" / "folder.json").write_text(text)

    with pytest.raises(StateError, match=r"folder\.json|schema 2"):
        await _open(folder / "b")


async def test_a_damaged_instance_file_is_named(backend: LocalBackend) -> None:
    """It is not taken for an instance that is gone."""
    await backend.ensure(TARGET, WORKER.revision, WORKER, 1, FENCE)
    path = next(backend._layout(TARGET).instances.glob("*.json"))
    path.write_text("{}")

    with pytest.raises(StateError, match=path.name):
        await backend.observe(TARGET)


async def test_a_failed_effect_can_be_repeated(backend: LocalBackend) -> None:
    """A program that died between writing an instance's file and starting it has left nothing in the way."""
    await backend.ensure(TARGET, WORKER.revision, WORKER, 1, FENCE)
    layout = backend._layout(TARGET)
    instance = (await ready(backend, TARGET, WORKER))[0].id
    await backend._keeper.stop(layout.program(instance))
    layout.quiescing(instance).touch()

    await backend.ensure(TARGET, WORKER.revision, WORKER, 1, FENCE, drained=frozenset({instance}))

    seen = await until(lambda: backend.observe(TARGET), lambda found: len(found.revisions[0].ready) == 1)
    assert seen.revisions[0].instances[0].id != instance


async def test_by_default_a_folder_has_all_it_needs(folder: Path) -> None:
    """Keeper, Envoy router and SQLite journal come with it, and are found again."""
    for _ in range(2):
        async with LocalBackend.open(str(folder / "b")) as backend:
            assert len(backend.journal.key) >= 16
            assert backend.router is not None
            assert Capability.WEIGHTS in backend.capabilities
        await backend.aclose()

    assert (folder / "b" / "journal.sqlite").exists()
