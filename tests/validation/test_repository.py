from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fairdeploy.model import Release, SecretRef, Severity, Target
from fairdeploy.preflight.repository import repository
from fairdeploy.protocols import Scene
from fairdeploy.testing.simulation import SimulatedBackend

pytestmark = pytest.mark.anyio

VALUE = "9f2c4be1d07a4c3f8e65aa10b7d3c921"
RELEASE = Release("1", command=["serve", "{port}"], env={"TOKEN": SecretRef.env("SHOP_TOKEN")})


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty repository, and the secret."""
    monkeypatch.setenv("SHOP_TOKEN", VALUE)
    git(tmp_path, "init", "-q")
    write(tmp_path, "README", "hello\n")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    """Run git."""
    person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *person, *words], cwd=folder, check=True, capture_output=True)


def write(folder: Path, name: str, text: str) -> None:
    """Write a file and have it tracked."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(folder, "add", "-f", name)


async def look(folder: Path, target: Target = Target("shop")) -> list[tuple[bool, Severity, str]]:  # noqa: B008 -- a frozen value
    """Look into a repository."""
    found = await repository(folder).look(Scene(backend=SimulatedBackend(), target=target, release=RELEASE))
    return [(each.passed, each.severity, f"{each.message} {each.remedy}") for each in found]


async def test_a_clean_repository_passes(tree: Path) -> None:
    """Examples of .env files are meant to be there."""
    write(tree, ".env.example", "TOKEN=changeme\n")
    ((passed, _, _),) = await look(tree / ".git" / "..")
    assert passed


async def test_the_value_of_a_secret_in_a_tracked_file_is_critical(tree: Path) -> None:
    """It names variable and file, and never the value."""
    write(tree, "deploy/settings.py", f"TOKEN = '{VALUE}'\n")
    ((passed, severity, said),) = await look(tree)
    assert (passed, severity) == (False, Severity.CRITICAL)
    assert "'TOKEN'" in said
    assert "deploy/settings.py" in said
    assert VALUE not in said


async def test_a_value_that_only_stands_beside_the_tracked_files_is_fine(tree: Path) -> None:
    """That is where it should be."""
    (tree / ".env").write_text(f"TOKEN={VALUE}\n")
    ((passed, _, _),) = await look(tree)
    assert passed


@pytest.mark.parametrize("name", [".env", "backend/.env", ".env.production", "keys/id_rsa", "shop.p12"])
async def test_tracked_files_that_hold_secrets_are_named(tree: Path, name: str) -> None:
    """By their names, whatever they hold."""
    write(tree, name, "x\n")
    ((passed, severity, said),) = await look(tree)
    assert (passed, severity) == (False, Severity.WARNING)
    assert repr(name) in said


async def test_a_private_key_is_told_from_a_certificate(tree: Path) -> None:
    """Both are .pem files."""
    dashes = "-" * 5
    write(tree, "ca.pem", f"{dashes}BEGIN CERTIFICATE{dashes}\n")
    write(tree, "server.pem", f"{dashes}BEGIN EC PRIVATE KEY{dashes}\n")
    ((_, _, said),) = await look(tree)
    assert "'server.pem'" in said
    assert "'ca.pem'" not in said


async def test_a_file_that_was_deleted_is_still_in_history(tree: Path) -> None:
    """Whoever has a clone has the secret."""
    write(tree, "backend/.env", "x\n")
    git(tree, "commit", "-qm", "one")
    git(tree, "rm", "-q", "backend/.env")
    git(tree, "commit", "-qm", "two")
    ((passed, _, said),) = await look(tree)
    assert not passed
    assert "history" in said
    assert "'backend/.env'" in said


async def test_where_there_is_no_repository_there_is_nothing_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where git is not installed."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert await look(tmp_path) == []
    monkeypatch.setenv("PATH", "/nowhere")
    assert await look(tmp_path) == []
