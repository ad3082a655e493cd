"""A registry on the loopback address: the pull half of the OCI distribution API 1.1, and Docker's token service."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Shelves", "index", "serving"]

TOKEN = "a-token"


@final
@dataclass(slots=True)
class Shelves:
    """What a registry holds.

    Args:
        manifests: By repository and tag, as bytes.
        login: User and password, where the token service asks for them.
        lying: Whether it sends other bytes than a digest names.
    """

    host: str = ""
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    lying: bool = False

    def find(self, repository: str, reference: str) -> bytes | None:
        """Return a manifest by tag or digest."""
        if not reference.startswith("sha256:"):
            return self.manifests.get((repository, reference))
        held = [body for (name, _), body in self.manifests.items() if name == repository]
        return next((body for body in held if self.lying or digest(body) == reference), None)


def digest(body: bytes) -> str:
    """Return the digest of a manifest."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def index(version: str) -> bytes:
    """Return an image index as bytes."""
    platform = {"architecture": "amd64", "os": "linux"}
    manifest = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(version.encode()),
        "size": 1,
    }
    whole = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**manifest, "platform": platform}],
    }
    return json.dumps(whole).encode()


@contextmanager
def serving(shelves: Shelves) -> Iterator[Shelves]:
    """Run a registry while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_GET(self) -> None:
            """Give a token, or a manifest."""
            if self.path.startswith("/token?"):
                self._token()
                return
            if shelves.login is not None and self.headers["authorization"] != f"Bearer {TOKEN}":
                challenge = f'Bearer realm="http://{shelves.host}/token",service="here",scope="repository:shop/web:pull"'
                self._send(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', **{"WWW-Authenticate": challenge})
                return
            repository, _, reference = self.path.removeprefix("/v2/").rpartition("/manifests/")
            body = shelves.find(repository, reference)
            if body is None or "application/vnd.oci.image.index.v1+json" not in self.headers["accept"]:
                self._send(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            else:
                self._send(200, body, **{"Docker-Content-Digest": digest(body)})

        def _token(self) -> None:
            word = base64.b64encode(":".join(shelves.login or ()).encode()).decode()
            fits = self.headers["authorization"] == f"Basic {word}"
            self._send(200 if fits else 401, json.dumps({"token": TOKEN}).encode() if fits else b"{}")

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the base names it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shelves.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield shelves
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
