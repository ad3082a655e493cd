"""Checks for stacks that are known, asked of services that answer as those do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import InvalidInput
from fairdeploy.health import HealthChecker, endpoints, exited, fairdatabase, run_check, supabase
from fairdeploy.model import SecretRef, Verdict
from tests.health.serving import NOBODY, answer, served

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import ByteStream

pytestmark = pytest.mark.anyio

ANON = SecretRef.env("ANON_KEY")


def _container_program(folder: Path) -> str:
    """Return a program that answers as Docker's documentation says `container inspect` and `exec` do."""
    path = folder / "docker"
    path.write_text(
        f"#!{sys.executable} -ISs\n"
        "import sys\n"
        "states = {'supabase-db-init': 'exited 0', 'broken': 'exited 1', 'works': 'running 0'}\n"
        "if sys.argv[1] == 'exec':\n"
        "    sys.exit(0)\n"
        "assert sys.argv[1:5] == ['container', 'inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}']\n"
        "state = states.get(sys.argv[5])\n"
        "print(state or f'Error: No such container: {sys.argv[5]}')\n"
        "sys.exit(state is None)\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return str(path)


async def test_a_container_that_worked_once_is_well_when_it_ended_with_0(tmp_path: Path) -> None:
    """Not while it works, not when it failed, not when there is none."""
    program = _container_program(tmp_path)
    names = ["supabase-db-init", "broken", "works", "none"]
    found = [await run_check(exited(name, program=program), NOBODY) for name in names]

    assert [each.verdict for each in found] == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL, Verdict.FAIL]
    assert "did not print 'exited 0'" in found[2].message


async def test_a_fairdatabase_and_its_supabase_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    """Start page, gateway with its key, PostgreSQL, uploads, the container that prepares the database."""
    monkeypatch.setenv("ANON_KEY", "s3cret")
    monkeypatch.setenv("DSN", postgres)
    async with served({"/": answer()}) as app, served({}) as gateway:

        async def auth(stream: ByteStream) -> None:
            known = "apikey: s3cret" in gateway.asked[-1].lower()
            await stream.send(answer(200 if known else 401, {"name": "GoTrue"}))

        gateway.replies["/auth/v1/health"] = auth
        checks = fairdatabase(
            app=app.url(),
            anon=ANON,
            gateway=gateway.url("/"),
            dsn=SecretRef.env("DSN"),
            uploads=str(tmp_path),
            program=_container_program(tmp_path),
        )
        status = await HealthChecker(checks).check_deployment_health()

    assert status.healthy, str(status)
    assert list(status.checks) == ["app", "uploads", "db-init", "auth", "database", "images"]
    assert status.advisory == {"images"}
    assert "s3cret" not in repr(status)


def test_what_is_not_given_is_not_asked() -> None:
    """A part of a stack can be asked alone; what can be asked inside its network only is asked there only."""
    assert list(fairdatabase()) == ["app"]
    assert list(fairdatabase(dsn=SecretRef.env("DSN"))) == ["app", "database"]
    assert list(supabase(anon=ANON)) == ["auth"]
    assert list(supabase(anon=ANON, inside=True)) == ["auth", "storage", "realtime", "pooler", "logs"]
    with pytest.raises(InvalidInput, match="cannot ask 'db"):
        endpoints("db.example.org")
