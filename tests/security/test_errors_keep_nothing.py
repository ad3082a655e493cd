"""An error that passes through a secret's hands keeps none of it: neither in its text nor in what its traceback holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from fairdeploy.backends.local import _starting
from fairdeploy.backends.local._layout import Layout
from fairdeploy.errors import FairdeployError, StateError, Unbound
from fairdeploy.host import _files, _hidden
from fairdeploy.model import Release, SecretRef, TargetId
from tests.security.surfaces import found_in, locals_of, shapes

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cr3t-of-nobody"
RELEASE = Release(
    "1", command=["sleep", "1", "{port}"], env={"PASSWORD": SecretRef.env("PASSWORD_OF_A_TEST")}
)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Give a folder, and set the variable."""
    monkeypatch.setenv("PASSWORD_OF_A_TEST", SECRET)
    return Layout(_files.private_folder(tmp_path / "own"), TargetId("shop/production"))


def _kept_by(failed: pytest.ExceptionInfo[FairdeployError]) -> set[str]:
    return found_in(locals_of(failed.value), [SECRET])


def test_a_secret_that_cannot_be_written_down(layout: Layout) -> None:
    """The disk refuses it: the local variables on the way show a mask."""
    path = layout.secrets(RELEASE.revision)
    (path / "in the way").mkdir(parents=True)
    path.parent.chmod(0o700)
    for folder in (layout.base, layout.base.parent, path.parent.parent, path.parent.parent.parent):
        folder.chmod(0o700)

    with pytest.raises(StateError) as failed:
        _starting.write(layout, RELEASE.revision, RELEASE)

    assert _kept_by(failed) == set()


@pytest.mark.parametrize("damage", ["}", "\x00", "\udcff", ", " * 3])
def test_a_damaged_file_of_secrets(layout: Layout, damage: str) -> None:
    """What a parser or decoder could not read is not in the error that it leaves behind."""
    _starting.write(layout, RELEASE.revision, RELEASE)
    path = layout.secrets(RELEASE.revision)
    path.write_bytes(path.read_bytes() + damage.encode(errors="surrogateescape"))

    with pytest.raises(StateError, match="is damaged") as failed:
        _starting.write(layout, RELEASE.revision, RELEASE)

    assert _kept_by(failed) == set()


def test_a_secret_file_that_is_no_text(tmp_path: Path) -> None:
    """The decoder's error, which holds the bytes, is not behind ours."""
    path = tmp_path / "token"
    path.write_bytes(SECRET.encode() + b"\xff")

    with pytest.raises(Unbound, match="UnicodeDecodeError") as failed:
        SecretRef.file(path).resolve()

    assert _kept_by(failed) == set()


def test_a_secret_that_no_environment_can_hold(layout: Layout, tmp_path: Path) -> None:
    """A NUL in a file is refused without showing the file."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\0")
    release = Release("1", command=["sleep", "{port}"], env={"TOKEN": SecretRef.file(path)})

    with pytest.raises(Unbound, match="NUL") as failed:
        _starting.write(layout, release.revision, release)

    assert _kept_by(failed) == set()


@given(
    st.text(min_size=4).filter(lambda text: len(text.strip()) >= 4 and len(text.splitlines()) == 1),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_a_masked_line_does_not_hold_the_secret(secret: str, before: str, after: str) -> None:
    """Whatever stands around it, and in a URL too."""
    plain, quoted = secret.strip(), shapes(secret.strip())[1]
    lines = _hidden.hide([before + plain + after, f"postgres://me:{quoted}@host"], [secret])

    assert plain not in lines[0] or plain in "[secret]" or plain in before + "[secret]" + after
    assert quoted not in lines[1] or quoted in "postgres://me:[secret]@host"


def test_a_key_of_several_lines_is_masked_line_by_line() -> None:
    """A program prints a PEM file as lines; short ones, found in ordinary words, stay."""
    key = "-----BEGIN KEY-----\nMIIBVgIBADANBg\nabc\n-----END KEY-----\n"

    assert _hidden.hide(key.splitlines(), [key]) == ("[secret]", "[secret]", "abc", "[secret]")
