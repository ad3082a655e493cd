"""Folders and files that somebody else has prepared: refused, or replaced, never used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import StateError
from fairdeploy.host import _files, _home

if TYPE_CHECKING:
    from pathlib import Path

_STRANGER = 54_321


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("make", [_files.private_folder, _home._own])
def test_a_folder_of_somebody_else_is_refused(make: object, tmp_path: Path) -> None:
    """However private it is: its owner could look in at any time."""
    folder = tmp_path / "planted"
    folder.mkdir(mode=0o700)
    os.chown(folder, _STRANGER, _STRANGER)

    with pytest.raises(StateError, match=f"{_STRANGER}|not private"):
        make(folder)  # type: ignore[operator]  # both take a path


def test_a_folder_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    """If there is something in it already; an empty one is closed."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    (folder / "planted").touch()

    with pytest.raises(StateError, match="chmod 700"):
        _files.private_folder(folder)
    (folder / "planted").unlink()
    assert _files.private_folder(folder).stat().st_mode & 0o777 == 0o700


def test_a_link_in_place_of_the_folder_for_sockets_is_refused(tmp_path: Path) -> None:
    """It lies where every user can write, so it must be a folder itself."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StateError, match="not private to this user"):
        _home._own(tmp_path / "run")


def test_a_link_in_place_of_a_file_is_replaced(tmp_path: Path) -> None:
    """What it leads to is not written to."""
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    (tmp_path / "state.json").symlink_to(victim)

    _files.write_json(tmp_path / "state.json", {"a": 1})

    assert victim.read_text() == "as it was"
    assert not (tmp_path / "state.json").is_symlink()
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_what_is_missing_above_a_folder_is_made_private_too(tmp_path: Path) -> None:
    """Whatever the umask: nobody can put another folder in the place of ours."""
    before = os.umask(0)
    try:
        _files.private_folder(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)

    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")} == {0o700}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
