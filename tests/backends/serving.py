"""A small application that obeys: starts fast, says what it was given, hangs or ignores signals if told to."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path


def _answer(path: str, status: int) -> bytes:
    told = {"pid": os.getpid(), "cwd": str(Path.cwd()), "env": dict(os.environ), "argv": sys.argv}
    body = json.dumps(told).encode()
    if path == "/hang":
        time.sleep(3_600)
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


def main() -> None:
    """Serve one connection after another, so that one that hangs is hung for all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--uds")
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--stubborn", action="store_true")
    options = parser.parse_args()
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX if options.uds else socket.AF_INET)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(options.uds or ("127.0.0.1", options.port))
    server.listen()
    print("serving", flush=True)  # noqa: T201 -- its log is looked at
    while True:
        connection, _ = server.accept()
        with connection:
            words = connection.recv(65_536).split()
            if words:
                connection.sendall(_answer(words[1].decode(), options.status))


if __name__ == "__main__":
    main()
