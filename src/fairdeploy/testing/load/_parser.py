"""A small HTTP/1.1 response parser: one response at a time, from bytes as they arrive."""

from __future__ import annotations

from fairdeploy.testing.load.outcomes import Answer

__all__ = ["MAX_KEPT", "ResponseParser"]

_MAX_HEAD = 64 * 1024
MAX_KEPT = 8 * 1024 * 1024 + 1
"""Bytes of a body that are kept, one more than the longest echo; the rest is read and forgotten."""
_INFORMATIONAL = range(100, 200)
_SWITCHING = 101
_NO_BODY = frozenset({204, 304})


class ResponseParser:
    """Takes bytes until one response is complete.

    It knows Content-Length, chunked bodies and bodies that end with the connection; interim (1xx) responses are skipped.
    Malformed input raises `ValueError`, which the connection turns into a loss.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_cookies",
        "_headers",
        "_remaining",
        "_size",
        "_state",
        "_status",
        "_version",
        "begun",
    )

    def __init__(self) -> None:
        self.begun = False
        """Whether a byte of the response has arrived."""
        self._buffer = b""
        self._state = self._read_head
        self._status = 0
        self._version = b""
        self._headers: dict[str, str] = {}
        self._cookies: list[str] = []
        self._body: list[bytes] = []
        self._size = 0
        self._remaining = 0

    def feed(self, data: bytes) -> Answer | None:
        """Take bytes; return the answer once it is complete.

        Raises:
            ValueError: The bytes are not an HTTP/1.1 response, or go on after its end.
        """
        self.begun = True
        self._buffer = self._buffer + data if self._buffer else data
        while True:
            step = self._state()
            if step is None:
                return None
            if step:
                if self._buffer:
                    msg = f"{len(self._buffer)} bytes after the end of the response"
                    raise ValueError(msg)
                return self._answer(self_delimited=True)

    def end(self) -> Answer | None:
        """Say that the connection has ended; return the answer if that completes it."""
        return self._answer(self_delimited=False) if self._state == self._read_to_end else None

    def _answer(self, *, self_delimited: bool) -> Answer:
        connection = self._headers.get("connection", "").lower()
        reusable = self_delimited and (
            "close" not in connection if self._version == b"HTTP/1.1" else "keep-alive" in connection
        )
        return Answer(self._status, self._headers, b"".join(self._body), tuple(self._cookies), reusable)

    # Each state returns None for "more bytes, please", False for "on to the next state", True for "complete".

    def _read_head(self) -> bool | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                msg = f"no end of the headers within {_MAX_HEAD} bytes"
                raise ValueError(msg)
            if not self._buffer.startswith(b"HTTP/1."[: len(self._buffer)]):
                msg = f"not an HTTP/1 response: {self._buffer[:40]!r}"
                raise ValueError(msg)
            return None
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        self._parse_head(head)
        if self._status in _INFORMATIONAL and self._status != _SWITCHING:
            return False
        return self._begin_body()

    def _parse_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            msg = f"not an HTTP/1 response: {first[:40]!r}"
            raise ValueError(msg)
        self._version, self._status = version, int(rest[:3])
        headers: dict[str, str] = {}
        for line in lines:
            raw_name, colon, raw_value = line.decode("latin-1").partition(":")
            if not colon:
                msg = f"a header line without a colon: {line[:40]!r}"
                raise ValueError(msg)
            name, value = raw_name.lower(), raw_value.strip()
            if name == "set-cookie":
                self._cookies.append(value)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._headers = headers

    def _begin_body(self) -> bool:
        if "chunked" in self._headers.get("transfer-encoding", "").lower():
            self._state = self._read_chunk_size
            return False
        if self._status in _NO_BODY or self._status == _SWITCHING:
            return True
        length = self._headers.get("content-length")
        if length is None:
            self._state = self._read_to_end
            return False
        if not length.isdecimal():
            msg = f"a content-length that is no number: {length!r}"
            raise ValueError(msg)
        self._remaining = int(length)
        if self._remaining == 0:
            return True
        self._state = self._read_length
        return False

    def _keep(self, piece: bytes) -> None:
        room = MAX_KEPT - self._size
        if room > 0:
            self._body.append(piece[:room])
            self._size += min(room, len(piece))

    def _read_length(self) -> bool | None:
        piece, self._buffer = self._buffer[: self._remaining], self._buffer[self._remaining :]
        if piece:
            self._keep(piece)
            self._remaining -= len(piece)
        return True if self._remaining == 0 else None

    def _read_to_end(self) -> None:
        if self._buffer:
            self._keep(self._buffer)
            self._buffer = b""

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                msg = f"no end of a line within {_MAX_HEAD} bytes"
                raise ValueError(msg)
            return None
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _read_chunk_size(self) -> bool | None:
        line = self._take_line()
        if line is None:
            return None
        self._remaining = int(line.partition(b";")[0], 16)
        if self._remaining < 0:
            msg = f"a negative chunk size: {line!r}"
            raise ValueError(msg)
        self._state = self._read_chunk if self._remaining else self._read_trailer
        return False

    def _read_chunk(self) -> bool | None:
        piece, self._buffer = self._buffer[: self._remaining], self._buffer[self._remaining :]
        if piece:
            self._keep(piece)
            self._remaining -= len(piece)
        if self._remaining:
            return None
        self._state = self._read_chunk_end
        return False

    def _read_chunk_end(self) -> bool | None:
        line = self._take_line()
        if line is None:
            return None
        if line:
            msg = f"bytes beyond the end of a chunk: {line[:40]!r}"
            raise ValueError(msg)
        self._state = self._read_chunk_size
        return False

    def _read_trailer(self) -> bool | None:
        line = self._take_line()
        if line is None:
            return None
        return not line
