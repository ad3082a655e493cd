from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from apps import environments
from apps.environments import PreparationError, cache_folder, locked, prepare_environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]  # they install


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of lock files that a test may fill."""
    folder = tmp_path / "locks"
    folder.mkdir()
    monkeypatch.setattr(environments, "LOCKS", folder)
    return folder


def test_downloads_are_kept_where_the_user_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache is below XDG_CACHE_HOME, and only its owner may look into it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder()
    assert folder == tmp_path / "fairdeploy-examples"
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_an_environment_is_made_once(locks: Path, tmp_path: Path) -> None:
    """A second preparation finds the first one complete and says nothing."""
    (locks / "nothing.txt").write_text("# no package at all\n")
    said: list[str] = []
    first = await prepare_environment(tmp_path, "nothing", said.append)
    spoken = len(said)
    second = await prepare_environment(tmp_path, "nothing", said.append)
    assert (first / "bin" / "python").exists()
    assert (second, len(said)) == (first, spoken)


async def test_an_interrupted_preparation_is_begun_anew(locks: Path, tmp_path: Path) -> None:
    """Without the mark that is written last, whatever is there is thrown away."""
    (locks / "nothing.txt").write_text("# no package at all\n")
    environment = await prepare_environment(tmp_path, "nothing", print)
    (environment / "complete").unlink()
    (environment / "rest").touch()
    await prepare_environment(tmp_path, "nothing", print)
    assert not (environment / "rest").exists()


async def test_other_packages_make_another_environment(locks: Path, tmp_path: Path) -> None:
    """A changed lock file does not leave the old packages in place."""
    (locks / "nothing.txt").write_text("# no package at all\n")
    environment = await prepare_environment(tmp_path, "nothing", print)
    (environment / "rest").touch()
    (locks / "nothing.txt").write_text("# still none, but another file\n")
    await prepare_environment(tmp_path, "nothing", print)
    assert not (environment / "rest").exists()


async def test_what_cannot_be_installed_is_named(locks: Path, tmp_path: Path) -> None:
    """The error names the set of packages and ends with the installer's own words."""
    (locks / "broken.txt").write_text("./there-is-no-such-folder\n")
    with pytest.raises(
        PreparationError, match=r"(?s)'broken' could not be installed.*there-is-no-such-folder"
    ):
        await prepare_environment(tmp_path, "broken", print)


async def test_two_examples_prepare_one_after_the_other(tmp_path: Path) -> None:
    """Whoever comes second waits until the first has left."""
    order: list[str] = []
    inside = anyio.Event()

    async def first() -> None:
        async with locked(tmp_path):
            inside.set()
            await anyio.lowlevel.checkpoint()
            order.append("first")

    async def second() -> None:
        await inside.wait()
        async with locked(tmp_path):
            order.append("second")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        tasks.start_soon(second)
    assert order == ["first", "second"]
