"""`StorageCheck`, asked of folders and of a store that speaks S3."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from fairdeploy.health import run_check
from fairdeploy.model import SecretRef, StorageCheck, Verdict
from tests.health.programs import running
from tests.health.serving import NOBODY, Always, answer, hang, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anyio.abc import ByteStream

    from fairdeploy.model import CheckResult

pytestmark = pytest.mark.anyio


async def _asked(place: object, **given: Any) -> CheckResult:  # noqa: ANN401 -- of StorageCheck
    return await run_check(StorageCheck(str(place), **given), NOBODY)


# Folders.


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_folder_that_is_well_passes_and_is_left_as_it_was(tmp_path: Path) -> None:
    """What was written is gone again."""
    result = await _asked(tmp_path, min_free_percent=0)

    assert (result.verdict, "keeps what is written" in result.message) == (Verdict.PASS, True)
    assert not [each async for each in anyio.Path(tmp_path).iterdir()]


async def test_a_folder_that_is_full_fails(tmp_path: Path) -> None:
    """Room is asked for in bytes and as a share."""
    free = shutil.disk_usage(tmp_path).free
    size = await _asked(tmp_path, min_free_bytes=10 * free, min_free_percent=0)
    share = await _asked(tmp_path, min_free_percent=100)

    assert (size.verdict, share.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert f"expected at least {10 * free}" in size.message
    assert "% left, expected at least 100 %" in share.message


async def test_a_folder_that_is_not_there_or_takes_nothing_fails(tmp_path: Path) -> None:
    """A file is no folder, and the kernel's own keeps nothing."""
    await anyio.Path(tmp_path / "file").touch()
    found = [
        await _asked(place, min_free_percent=0) for place in (tmp_path / "none", tmp_path / "file", "/proc")
    ]

    assert [each.verdict for each in found] == [Verdict.FAIL] * 3
    assert "is not there" in found[0].message
    assert "cannot be used" in found[2].message


# Buckets.

KEY, SECRET = "AKIAOFTHELAB", "s3cret/key"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Give the address of a store with one bucket."""
    with running("s3_server.py") as address:
        httpx.put(f"{address}/uploads", trust_env=False).raise_for_status()
        yield address


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the keys."""
    monkeypatch.setenv("S3_KEY", KEY)
    monkeypatch.setenv("S3_SECRET", SECRET)


async def _bucket(place: str, endpoint: str, **given: Any) -> CheckResult:  # noqa: ANN401 -- of StorageCheck
    refs = {"key": SecretRef.env("S3_KEY"), "secret": SecretRef.env("S3_SECRET")}
    result = await _asked(place, endpoint=endpoint, **{"timeout_ms": 20_000, **refs, **given})
    assert not {KEY, SECRET} & set(repr(result).split("'"))
    assert SECRET not in repr(result)
    return result


async def test_a_bucket_that_is_well_passes_and_is_left_as_it_was(store: str) -> None:
    """An object is written, read and deleted; or the bucket is only looked at."""
    written = await _bucket("s3://uploads/below/here", store)
    looked = await _bucket("s3://uploads", store, write=False)
    async with httpx.AsyncClient(trust_env=False) as client:
        listed = (await client.get(f"{store}/uploads?list-type=2")).text

    assert (written.verdict, looked.verdict) == (Verdict.PASS, Verdict.PASS)
    assert "<KeyCount>0</KeyCount>" in listed


async def test_a_bucket_that_is_not_there_fails(store: str) -> None:
    """Written to or looked at."""
    written = await _bucket("s3://nowhere", store)
    looked = await _bucket("s3://nowhere", store, write=False)

    assert [each.message for each in (written, looked)] == ["bucket 's3://nowhere' is not there"] * 2


async def test_a_store_that_does_not_let_us_in_is_an_error() -> None:
    """The store is well; the key is not. What it says of itself is not believed further."""
    body = b"<Error><Code>InvalidAccessKeyId</Code><Message>AKIAOFTHELAB s3cret/key</Message></Error>"
    async with served({}) as site:
        site.replies = Always(answer(403, body))
        result = await _bucket("s3://uploads", site.url())

    assert (result.verdict, "does not let us in (InvalidAccessKeyId)" in result.message) == (
        Verdict.ERROR,
        True,
    )


async def test_a_store_that_is_down_or_lies_fails() -> None:
    """It answers 503, or gives back something else than was written, or is silent, or is not there."""
    async with served({}) as site:

        async def lie(stream: ByteStream) -> None:
            await stream.send(answer(200, b"something else" if site.asked[-1].startswith("GET") else b""))

        site.replies = Always(answer(503))
        down = await _bucket("s3://uploads", site.url())
        site.replies = Always(lie)
        lies = await _bucket("s3://uploads", site.url())
        site.replies = Always(hang)
        silent = await _bucket("s3://uploads", site.url(), timeout_ms=300)
        address = site.url()
    gone = await _bucket("s3://uploads", address)

    assert [each.verdict for each in (down, lies, silent, gone)] == [Verdict.FAIL] * 4
    assert "something else than was written" in lies.message
    assert "did not answer within 300 ms" in silent.message


def test_trio_is_told_that_it_cannot() -> None:
    """The library runs on asyncio only, and the message says so."""

    async def ask() -> CheckResult:
        return await _asked("s3://uploads")

    result = anyio.run(ask, backend="trio")

    assert (result.verdict, "on asyncio only" in result.message) == (Verdict.ERROR, True)
