"""An application that is up in an instant and vanishes when told to stop: only a drain saves its requests.

Run by its path and without site-packages, as a thousand of them are started: ``python -IS _application.py SOCKET REVISION``,
or with a port instead of a socket, in a container.
"""

import json
import socketserver
import sys


class Visit(socketserver.StreamRequestHandler):
    """Answers GET with the revision, and POST with what was posted, on a connection that is kept."""

    def handle(self) -> None:
        """Serve requests until the visitor closes."""
        while line := self.rfile.readline():
            method = line.partition(b" ")[0]
            length = 0
            while (header := self.rfile.readline()) not in {b"\r\n", b""}:
                name, _, value = header.partition(b":")
                length = int(value) if name.strip().lower() == b"content-length" else length
            body = self.rfile.read(length)
            answer = body if method == b"POST" else json.dumps({"revision": sys.argv[2]}).encode()
            head = f"HTTP/1.1 200 OK\r\nx-revision: {sys.argv[2]}\r\ncontent-length: {len(answer)}\r\n\r\n"
            self.wfile.write(head.encode() + answer)


class Server(socketserver.ThreadingUnixStreamServer):
    """Listens on the socket."""

    daemon_threads = True
    request_queue_size = 128


class PortServer(socketserver.ThreadingTCPServer):
    """Listens on a port."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        PortServer(("", int(sys.argv[1])), Visit).serve_forever()
    Server(sys.argv[1], Visit).serve_forever()
