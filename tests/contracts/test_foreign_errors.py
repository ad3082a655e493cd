"""No foreign error passes the border unmapped: what the libraries can raise, and what becomes of it."""

from __future__ import annotations

import http.client
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from fairdeploy.errors import JournalError, RecordError
from fairdeploy.health import _http
from fairdeploy.host import _rpc
from fairdeploy.journal import codec, database


def family(root: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield a class and all that its own library derives from it, whatever other libraries are loaded."""
    yield root
    for child in root.__subclasses__():
        if child.__module__.partition(".")[0] == root.__module__.partition(".")[0]:
            yield from family(child)


@pytest.mark.parametrize("error", sorted(set(family(sqlite3.Error)), key=str))
def test_every_error_of_sqlite_is_a_journal_error(error: type[sqlite3.Error]) -> None:
    """Whatever SQLite raises has a sentence that names the journal."""
    mapped = database.failure(Path("/srv/journal.sqlite"), error("as SQLite says"))
    assert isinstance(mapped, JournalError)
    assert repr("/srv/journal.sqlite") in str(mapped)


def test_every_error_code_of_sqlite_is_a_journal_error() -> None:
    """Each primary result code that this SQLite knows is mapped, those of tomorrow too."""
    codes = {
        value
        for name, value in vars(sqlite3).items()
        if name.startswith("SQLITE_") and isinstance(value, int)
    }
    assert sqlite3.SQLITE_FULL in codes
    for code in codes:
        error = sqlite3.OperationalError("as SQLite says")
        error.sqlite_errorcode = code
        assert isinstance(database.failure(Path("/j"), error), JournalError)


@pytest.mark.parametrize("error", sorted({*family(httpx.HTTPError), httpx.InvalidURL}, key=str))
def test_every_error_of_httpx_is_a_finding(error: type[Exception]) -> None:
    """A check that asks over HTTP takes whatever httpx can raise for an answer, or for no evidence."""
    assert issubclass(error, (*_http.REFUSED, *_http.UNCLEAR))


@pytest.mark.parametrize("error", sorted(set(family(http.client.HTTPException)), key=str))
def test_every_error_of_a_broken_answer_means_that_nobody_listens(error: type[Exception]) -> None:
    """Supervisord that dies while it answers is started again, not passed on as an error of HTTP."""
    assert issubclass(error, _rpc.UNREACHABLE)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"kind": "no such"}', "[1]", '{"kind": "ended", "result": 1}', "\x00"]
)
def test_what_pydantic_refuses_is_a_record_error_that_shows_nothing(text: str) -> None:
    """A record that cannot be read is refused without its content, and without pydantic's error behind it."""
    with pytest.raises(RecordError) as refused:
        codec.record(text, codec.VERSION, "the record")
    assert not isinstance(refused.value.__cause__, ValidationError)
    assert text == "" or text not in str(refused.value)
