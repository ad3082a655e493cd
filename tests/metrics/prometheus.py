"""A real Prometheus server for tests: Debian's package, unpacked into a cache folder, no root needed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRAPE = 0.5
"""Seconds between two scrapes, and for each: what misses one is forgotten until the next."""
_FETCH = 300
"""Seconds in which the package must have been fetched."""
_UP = 60


@cache
def binary() -> Path:
    """Return the server's program. Without it a test is skipped, in CI it fails."""
    found = shutil.which("prometheus")
    if found:
        return Path(found)
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fairdeploy-tests/prometheus"
    program = cached / "usr/bin/prometheus"
    if not program.exists():
        try:
            _fetch(cached)
        except (OSError, subprocess.SubprocessError) as error:
            why = f"no Prometheus: neither on PATH, nor to be had as Debian's package ({error!r})"
            if os.environ.get("CI"):
                pytest.fail(why)
            pytest.skip(why)
    return program


def _fetch(cached: Path) -> None:
    """Download Debian's package, with apt's own proof of where it is from, and unpack it."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            _run(["apt-get", "download", "prometheus"], folder)
        except subprocess.CalledProcessError:
            # No lists yet: read them into a folder of our own, for which nobody needs to be root.
            state = folder / "state"
            (state / "lists/partial").mkdir(parents=True)
            own = ["-o", f"Dir::State={state}", "-o", f"Dir::Cache={folder / 'apt'}"]
            own += ["-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Debug::NoLocking=1"]
            _run(["apt-get", *own, "update"], folder)
            _run(["apt-get", *own, "download", "prometheus"], folder)
        package = next(folder.glob("prometheus_*.deb"))
        _run(["dpkg-deb", "-x", str(package), str(folder / "unpacked")], folder)
        if not cached.exists():
            (folder / "unpacked").replace(cached)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_FETCH)


@dataclass
class Exporter:
    """What is scraped: counters by labels, as an application would show them."""

    counts: dict[tuple[str, ...], int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)
    extra: str = ""

    def add(self, target: str, revision: str, code: str, number: int, *, pod: str = "one") -> None:
        """Count requests, fast ones if they succeed."""
        with self.lock:
            self.counts[target, revision, code, pod] += number

    def answer(self, target: str, revision: str, *, requests: int, errors: int) -> None:
        """Count requests and the errors among them at once: nobody scrapes the ones without the others."""
        with self.lock:
            self.counts[target, revision, "500", "one"] += errors
            self.counts[target, revision, "200", "one"] += requests - errors

    def restart(self, target: str, revision: str) -> None:
        """Forget what was counted for a revision."""
        with self.lock:
            for key in [key for key in self.counts if key[:2] == (target, revision)]:
                del self.counts[key]

    def text(self) -> str:
        """Return the exposition."""
        lines = ["# TYPE http_requests_total counter"]
        with self.lock:
            for (target, revision, code, pod), count in self.counts.items():
                labels = f'target="{target}",revision="{revision}",code="{code}",pod="{pod}"'
                lines.append(f"http_requests_total{{{labels}}} {count}")
                fast = count if code == "200" else 0
                for bound, below in (("0.1", fast), ("0.5", count), ("+Inf", count)):
                    lines.append(f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {below}')
        return "\n".join([*lines, self.extra, ""])


@contextmanager
def exporting() -> Iterator[tuple[Exporter, str]]:
    """Serve an exporter on the loopback address."""
    exporter = Exporter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.text().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name in the library
            pass

    with _serving(Handler) as address:
        yield exporter, address


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def answering(
    status: int, body: bytes, headers: dict[str, str] | None = None
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Serve one answer to whatever is asked; also give the headers of each question."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append({key.lower(): value for key, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name in the library
            pass

    with _serving(Handler) as address:
        yield f"http://{address}", asked


def vector(*series: tuple[dict[str, str], str], **more: object) -> bytes:
    """Return an answer with series of labels and values, as Prometheus spells it."""
    result = [{"metric": labels, "value": [1.0, value]} for labels, value in series]
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    ).encode()


class Server:
    """A Prometheus that scrapes an exporter; it can be stopped and started again."""

    def __init__(
        self,
        folder: Path,
        scraped: str,
        *,
        web: str | None = None,
        scheme: str = "http",
        scrape: float = SCRAPE,
    ) -> None:
        """Write its configuration."""
        self.folder, self.port = folder, free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        config = {
            "global": {"scrape_interval": f"{scrape * 1000:g}ms", "scrape_timeout": f"{scrape * 1000:g}ms"},
            "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [scraped]}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self._command = [
            str(binary()),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=error",
        ]
        if web is not None:
            (folder / "web.yml").write_text(web)
            self._command.append(f"--web.config.file={folder / 'web.yml'}")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + _UP
        while time.monotonic() < until:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            try:
                parts = urlsplit(self.url)
                socket.create_connection((str(parts.hostname), self.port), timeout=1).close()
                if parts.scheme == "https" or httpx.get(f"{self.url}/-/ready", trust_env=False).is_success:
                    return
            except (OSError, httpx.HTTPError):
                pass
            time.sleep(0.05)
        pytest.fail(f"Prometheus was not ready within {_UP} s")

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_UP)
            self._process = None
