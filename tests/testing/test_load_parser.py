"""HTTP responses as bytes, however they are cut."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from fairdeploy.testing.load._parser import ResponseParser

if TYPE_CHECKING:
    from fairdeploy.testing.load import Answer

RESPONSES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Revision:  v1 \r\n\r\nhello", 200, b"hello", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", 304, b"", True),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 200, b"", False),
    (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", False),
    (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok", 200, b"ok", True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\n!", 201, b"!", True),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=1\r\n, \r\nworld!\r\n0\r\n\r\n",
        200,
        b"hello, \r\nworld!",
        True,
    ),
    (
        b"HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\n\r\n0\r\ntrailer: 1\r\n\r\n",
        502,
        b"",
        True,
    ),
]


def _feed(data: bytes, cuts: list[int]) -> Answer | None:
    parser = ResponseParser()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    answers = [parser.feed(data[a:b]) for a, b in pairwise(edges)]
    assert all(answer is None for answer in answers[:-1])
    return answers[-1]


@pytest.mark.parametrize(("data", "status", "body", "reusable"), RESPONSES)
@given(cuts=st.lists(st.integers(min_value=0, max_value=500), max_size=12))
def test_a_response_is_the_same_however_it_is_cut(
    data: bytes, status: int, body: bytes, *, reusable: bool, cuts: list[int]
) -> None:
    """Wherever the network cuts the bytes, the answer is complete with the last one and not before."""
    answer = _feed(data, cuts)

    assert answer is not None
    assert (answer.status, answer.body, answer.reusable) == (status, body, reusable)


@given(pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=5), cuts=st.lists(st.integers(0, 400)))
def test_chunks_add_up_to_the_body(pieces: list[bytes], cuts: list[int]) -> None:
    """A chunked body is its chunks, whatever bytes they hold."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)

    answer = _feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", cuts)

    assert answer is not None
    assert answer.body == b"".join(pieces)


def test_headers_are_found_by_lower_case_name() -> None:
    """Names are lower-cased, repeated values joined, cookies kept apart."""
    answer = _feed(
        b"HTTP/1.1 200 OK\r\nVia: a\r\nvia: b\r\nSet-Cookie: x=1; Path=/\r\nset-cookie: y=2\r\nContent-Length: 0\r\n\r\n",
        [],
    )

    assert answer is not None
    assert answer.headers["via"] == "a, b"
    assert answer.cookies == ("x=1; Path=/", "y=2")


def test_a_body_without_length_ends_with_the_connection() -> None:
    """Only the end of the connection completes a response that says nothing about its length."""
    parser = ResponseParser()

    assert parser.feed(b"HTTP/1.1 200 OK\r\n\r\nall of ") is None
    assert parser.feed(b"it") is None
    answer = parser.end()

    assert answer is not None
    assert (answer.body, answer.reusable) == (b"all of it", False)


def test_an_end_within_a_body_of_known_length_completes_nothing() -> None:
    """A connection that ends too early leaves no answer."""
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel")

    assert parser.end() is None


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    ],
)
def test_what_is_not_http_is_refused(data: bytes) -> None:
    """Bytes that are no response, or go on after its end, are an error and never an answer."""
    with pytest.raises(ValueError, match=r"."):
        ResponseParser().feed(data)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    """Nothing but a ValueError comes of bytes that make no sense."""
    with suppress(ValueError):
        ResponseParser().feed(b"HTTP/1.1 200 OK\r\n" + data)
