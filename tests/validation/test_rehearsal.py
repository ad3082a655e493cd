from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import anyio
import pytest

from fairdeploy.backends.local import LocalBackend
from fairdeploy.backends.local._validating import ROUTER_IDLE_MS
from fairdeploy.model import Release, SecretRef, Severity
from fairdeploy.routing.envoy import clusters
from tests.backends.local import names, texts, until
from tests.validation.places import SLOW, application, left, place, rehearsal

pytestmark = [pytest.mark.anyio, pytest.mark.local]


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[LocalBackend]:
    """Give a backend without anything in it."""
    async with place(tmp_path) as found:
        yield found


async def test_a_polite_application_passes_the_drain_check(backend: LocalBackend) -> None:
    """It answers what is in flight, announces that it closes, keeps idle connections, and ends in its grace."""
    found = await rehearsal(backend, application("polite"), path=SLOW)
    assert [name for name, finding in found.items() if not finding.passed] == []
    figures = found["drain: requests"].evidence
    assert isinstance(figures, dict)
    assert figures["in_flight"] == figures["answered"] == 8
    assert isinstance(figures["announced"], int)
    assert figures["announced"] > 0
    assert figures["exit_code"] == 0
    assert left(backend) == []


async def test_a_rude_application_is_found_with_the_reason(backend: LocalBackend) -> None:
    """It cuts every request in flight, and the finding says how many, why and what to do."""
    found = await rehearsal(backend, application("rude", address="--port={port}"), path=SLOW)
    requests = found["drain: requests"]
    assert not requests.passed
    assert requests.severity is Severity.WARNING, "Envoy counts requests before an instance is stopped"
    assert requests.message == "0 of 8 requests in flight at SIGTERM were answered, 8 were cut"
    assert "graceful shutdown" in requests.remedy
    assert left(backend) == []


async def test_a_rude_application_is_found_without_a_slow_path(backend: LocalBackend) -> None:
    """Asked for its health only, it cuts what comes after the signal, if not what was in flight."""
    found = await rehearsal(backend, application("rude"))
    assert not (found["drain: requests"].passed and found["drain: connections"].passed)


async def test_an_application_that_ignores_the_signal_is_killed_and_found(backend: LocalBackend) -> None:
    """As one behind a shell does, which never passes the signal on; nothing of it is left."""
    program = "import signal, sys, runpy; signal.signal(signal.SIGUSR1, signal.SIG_IGN); runpy.run_module('fairdeploy.testing.apps.polite', run_name='__main__')"
    stubborn = application("polite", stop_signal="SIGUSR1", stop_grace_ms=300)
    command = [sys.executable, "-c", program, *stubborn.command[3:]]
    found = await rehearsal(
        backend,
        Release("1", command=command, probes=stubborn.probes, stop_signal="SIGUSR1", stop_grace_ms=300),
    )
    ended = found["drain: exit"]
    assert not ended.passed
    assert "still ran 300 ms after SIGUSR1, and was killed" in ended.message
    assert "exec" in ended.remedy
    assert left(backend) == []


async def test_a_short_keep_alive_is_found(backend: LocalBackend) -> None:
    """The router would send a request into a connection that is being closed."""
    found = await rehearsal(backend, application("polite", "--keep-alive", "1"))
    assert not found["keep-alive"].passed
    assert "--timeout-keep-alive" in found["keep-alive"].remedy


async def test_an_application_that_does_not_come_up_is_refused(backend: LocalBackend) -> None:
    """With its last words, before a rollout has begun."""
    program = "import sys; sys.exit('no database at db:5432')"
    broken = Release("1", command=[sys.executable, "-c", program, "{port}"])
    found = await rehearsal(backend, broken)
    assert list(found) == ["readiness"]
    assert found["readiness"].refuses
    assert "ended with status 1 before it was ready: no database at db:5432" in found["readiness"].message
    assert left(backend) == []


async def test_last_words_hold_no_secret(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an application prints before it gives up may hold what it was given."""
    value = "9f2c4be1d07a4c3f8e65aa10b7d3c921"
    monkeypatch.setenv("SHOP_TOKEN", value)
    program = "import os, sys; sys.exit('cannot log in with ' + os.environ['TOKEN'])"
    command = [sys.executable, "-c", program, "{port}"]
    found = await rehearsal(
        backend, Release("1", command=command, env={"TOKEN": SecretRef.env("SHOP_TOKEN")})
    )
    assert "cannot log in with [secret]" in found["readiness"].message


async def test_a_worker_is_not_rehearsed(backend: LocalBackend) -> None:
    """It listens nowhere, and might take real work from a queue."""
    assert await rehearsal(backend, Release("1", command=[sys.executable, "-c", "print('worked')"])) == {}


async def test_secrets_reach_the_trial_and_leave_nothing_on_disk(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instance has them as it would have them in earnest; afterwards they stand in no file."""
    value = "9f2c4be1d07a4c3f8e65aa10b7d3c921"
    monkeypatch.setenv("SHOP_TOKEN", value)
    program = "import os, runpy; assert len(os.environ['TOKEN']) == 32; runpy.run_module('fairdeploy.testing.apps.polite', run_name='__main__')"
    command = [sys.executable, "-c", program, "--uds", "{uds}"]
    release = Release(
        "1", command=command, env={"TOKEN": SecretRef.env("SHOP_TOKEN")}, probes=application("polite").probes
    )
    found = await rehearsal(backend, release)
    assert found["readiness"].passed
    assert value not in texts(Path(backend.uri.removeprefix("local://")))


def is_there(path: Path) -> bool:
    """Whether a file or folder still is."""
    return path.exists()


async def test_nothing_of_a_trial_outlives_a_killed_program(tmp_path: Path) -> None:
    """Whoever rehearses and is killed leaves no instance and no secret behind."""
    program = tmp_path / "program.py"
    program.write_text(
        dedent("""
        import sys, anyio
        from pathlib import Path
        from fairdeploy.host._home import Home
        from fairdeploy.backends.local._rehearsal import trial
        from tests.validation.places import application, target

        async def main() -> None:
            folder = Path(sys.argv[1])
            (folder / "targets").mkdir(parents=True, mode=0o700)
            folder.chmod(0o700)
            async with trial(folder, Home.of(folder), target(), application("polite")) as running:
                print(running._pid, flush=True)
                await anyio.sleep(60)

        anyio.run(main)
        """)
    )
    folder = tmp_path / "d"
    root = Path(__file__).parents[2]
    argv = [sys.executable, str(program), str(folder)]
    async with await anyio.open_process(
        argv, env={**os.environ, "PYTHONPATH": str(root)}, stderr=None
    ) as running:
        assert running.stdout is not None
        pid = int(await running.stdout.receive())
        running.send_signal(signal.SIGKILL)
        await running.wait()

    async def standing() -> list[Path]:
        return [path for path in (Path(f"/proc/{pid}"), *names(folder / "rehearsals")) if is_there(path)]

    await until(standing, lambda seen: not seen)


def test_the_router_keeps_idle_connections_as_long_as_the_check_takes_it_to() -> None:
    """The two are written down in rooms that do not know each other's inside."""
    assert f"{ROUTER_IDLE_MS // 1000}s" == clusters._IDLE
