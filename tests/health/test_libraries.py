"""What needs an extra says which, where it is not installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from fairdeploy.health import libraries, run_check
from fairdeploy.model import OIDCCheck, PostgresCheck, SecretRef, StorageCheck, Verdict
from tests.health.serving import NOBODY

if TYPE_CHECKING:
    from fairdeploy.model import Asked

pytestmark = pytest.mark.anyio

NEEDS: dict[str, tuple[str, str, Asked]] = {
    "postgres": ("asyncpg", "_postgres", PostgresCheck(SecretRef.env("HOME"))),
    "oidc": ("jwt", "_oidc", OIDCCheck("http://127.0.0.1:1")),
    "s3": ("aioboto3", "_s3", StorageCheck("s3://uploads", endpoint="http://127.0.0.1:1")),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("extra", NEEDS)
async def test_a_missing_extra_is_an_error_that_names_it(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check cannot be put; nobody is convicted, and the message is what to type."""
    library, module, check = NEEDS[extra]
    monkeypatch.setattr(libraries, "_loaded", {})
    monkeypatch.delitem(sys.modules, f"fairdeploy.health.{module}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)  # as Python notes that it is not there

    result = await run_check(check, NOBODY)

    assert (result.verdict, result.message) == (
        Verdict.ERROR,
        f"'{library}' is not installed: pip install \"fairdeploy[{extra}]\"",
    )
