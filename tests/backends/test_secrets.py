from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import Unbound
from fairdeploy.model import Job, SecretRef, Target
from tests.backends.local import (
    FENCE,
    ask,
    command_lines,
    kept,
    pid_of,
    ready,
    revision,
    serving,
    texts,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.backends.local import LocalBackend

pytestmark = pytest.mark.anyio

TARGET = Target("api")
FROM_ENV = "s3cr3t-of-the-environment {port}"
FROM_FILE = "s3cr3t-of-the-file %s"


async def test_secrets_reach_the_application_and_nothing_else(
    backend: LocalBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in arguments, keeper files, records or logs; only a file of its own, mode 0600, for the next restart."""
    (folder / "token").write_text(FROM_FILE + "\n")
    monkeypatch.setenv("DEPLOY_PASSWORD", FROM_ENV)
    release = serving(
        env={"PASSWORD": SecretRef.env("DEPLOY_PASSWORD"), "TOKEN": SecretRef.file(folder / "token")}
    )
    await backend.ensure(TARGET, release.revision, release, 1, FENCE)
    instance = (await ready(backend, TARGET, release))[0]
    monkeypatch.delenv("DEPLOY_PASSWORD")
    os.kill(await pid_of(instance), signal.SIGKILL)
    after = await until(
        lambda: revision(backend, TARGET, release),
        lambda seen: len(seen.ready) == 1 and seen.ready[0].restarts == 1,
    )
    assert after.ready[0].address is not None

    given = (await ask(after.ready[0].address))["env"]
    stored = backend._layout(TARGET).secrets(release.revision)
    arguments = b"".join(command_lines(backend)).decode()
    folders = [folder / "backend", folder / "backend.keeper"]
    written = "".join(texts(each) for each in folders).replace(stored.read_text(), "")

    assert isinstance(given, dict)
    assert (given["PASSWORD"], given["TOKEN"]) == (FROM_ENV, FROM_FILE)
    assert "s3cr3t" not in arguments
    assert "s3cr3t" not in written
    assert FROM_FILE not in stored.read_text()
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    # Another process, such as a guard, can ensure the revision without having the variable.
    await backend.ensure(TARGET, release.revision, release, 2, FENCE)
    await ready(backend, TARGET, release, 2)


async def test_jobs_are_given_the_secrets_too(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration needs the password of the database; what it says of it is masked."""
    monkeypatch.setenv("DEPLOY_PASSWORD", FROM_ENV)
    release = serving(env={"PASSWORD": SecretRef.env("DEPLOY_PASSWORD")})
    job = Job("show", command=["sh", "-c", 'echo "as $PASSWORD"; test "${#PASSWORD}" = 32'])

    state = await until(
        lambda: backend.execute(TARGET, release.revision, release, job, FENCE),
        lambda seen: seen.phase != "running",
    )

    assert state.phase == "succeeded", state
    assert state.output == ("as [secret]",)


async def test_secrets_go_with_their_revision(
    backend: LocalBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is removed leaves no secret behind."""
    monkeypatch.setenv("DEPLOY_PASSWORD", FROM_ENV)
    release = serving(env={"PASSWORD": SecretRef.env("DEPLOY_PASSWORD")})
    await backend.ensure(TARGET, release.revision, release, 1, FENCE)
    assert "s3cr3t" in texts(folder)

    await backend.remove(TARGET, release.revision, FENCE)

    assert "s3cr3t" not in texts(folder)


@pytest.mark.parametrize("ref", [SecretRef.env("NOT_SET_HERE"), SecretRef.file("/nowhere/token")])
async def test_a_missing_secret_is_named_before_anything_starts(
    backend: LocalBackend, ref: SecretRef
) -> None:
    """The error names variable or file, and no instance is there."""
    release = serving(env={"PASSWORD": ref})

    with pytest.raises(Unbound, match=ref.key):
        await backend.ensure(TARGET, release.revision, release, 1, FENCE)

    assert (await backend.observe(TARGET)).revisions == ()
    assert not kept(backend)
