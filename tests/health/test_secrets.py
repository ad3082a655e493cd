"""No secret is in anything that a check says, shows or records, whatever the world answers."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from fairdeploy.health import HealthChecker
from fairdeploy.health.finding import failed
from fairdeploy.health.secrets import Secrets
from fairdeploy.model import (
    HTTPCheck,
    OIDCCheck,
    PostgresCheck,
    PrometheusCheck,
    SecretRef,
    StorageCheck,
    all_of,
)
from fairdeploy.model.canonical import canonical
from tests.health.serving import NOBODY, Always, answer, listening, served

if TYPE_CHECKING:
    from anyio.abc import ByteStream

    from fairdeploy.model import Asked
    from tests.health.serving import Site

SENTINEL = "S3NTINEL/of+the lab"
FORMS = (SENTINEL, quote(SENTINEL, safe=""), quote(SENTINEL), "S3NTINEL")
REF = SecretRef.env("SENTINEL")


def _checks(site: Site, other: str) -> dict[str, Asked]:
    return {
        "echo": HTTPCheck(site.url("/echo"), scope="shared", send={"apikey": REF}, json={"/you": "ok"}),
        "bearer": HTTPCheck(site.url("/echo"), scope="shared", bearer=REF, status=(204, 204)),
        "refused": PostgresCheck(SecretRef.env("DSN")),
        "nonsense": PostgresCheck(SecretRef.env("BAD_DSN")),
        "file": PostgresCheck(SecretRef.file(other)),
        "client": OIDCCheck(site.url(), client_id="lab", client_secret=REF),
        "bucket": StorageCheck("s3://uploads", endpoint=site.url(), key=REF, secret=REF),
        "prometheus": PrometheusCheck("up", server=site.url("/echo"), low=1, bearer=REF),
        "several": all_of(
            PostgresCheck(SecretRef.env("DSN")),
            HTTPCheck(site.url("/"), scope="shared", send={"apikey": REF}),
        ),
    }


@pytest.mark.anyio
async def test_a_world_that_repeats_secrets_does_not_get_them_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every check is asked of servers that send back all they were told: nothing of it is told on."""
    async with (
        served({}) as site,
        listening(b"E\x00\x00\x00\x40SFATAL\x00C28P01\x00M" + b"x" * 60) as database,
    ):

        async def echo(stream: ByteStream) -> None:
            told = site.asked[-1]
            await stream.send(answer(400, {"you": told, "error": told, "status": "error"}))

        site.replies = Always(echo)
        dsn = f"postgresql://app:{quote(SENTINEL, safe='')}@{database}/app"
        monkeypatch.setenv("SENTINEL", SENTINEL)
        monkeypatch.setenv("DSN", dsn)
        monkeypatch.setenv("BAD_DSN", f"postgresql://app:{SENTINEL}@127.0.0.1:port/{SENTINEL}")
        kept = tmp_path / "dsn"
        kept.write_text(f"{dsn}?options={SENTINEL}\n", encoding="utf-8")
        checks = _checks(site, str(kept))
        status = await HealthChecker(dict(checks), deadline=60).check_deployment_health(NOBODY)

    assert not status.healthy
    assert not any(result.healthy for result in status.checks.values())
    for said in (repr(status), str(status), canonical(status.checks), repr(checks), canonical(checks)):
        assert not [form for form in FORMS if form in said], said


def test_secrets_show_nothing_of_themselves() -> None:
    """Neither their repr nor a traceback that passes by."""
    secrets = Secrets({REF: SENTINEL})
    try:
        secrets[SecretRef.env("OTHER")]
    except KeyError as error:
        shown = "".join(traceback.format_exception(error))
    else:
        shown = SENTINEL

    assert SENTINEL not in repr(secrets) + shown


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (SENTINEL, f"apikey {SENTINEL} refused"),
        (SENTINEL, f"GET /?key={quote(SENTINEL, safe='')}"),
        (f"postgresql://app:{quote(SENTINEL, safe='')}@db/app", f"password {SENTINEL}"),
        (f" {SENTINEL}\t", f"trimmed: {SENTINEL}"),
        ("S3NTINEL\\'\n", repr("S3NTINEL\\'\n")),
    ],
)
def test_a_secret_is_hidden_in_every_form(value: str, said: str) -> None:
    """As it is, quoted, trimmed, as Python shows it, and the password of an address alone."""
    hidden = Secrets({REF: value}).hide(failed(said, said, [said]))

    assert "S3NTINEL" not in repr(hidden)
    assert "***" in hidden.message
