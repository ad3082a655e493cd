"""What fairdeploy.toml may say, and what is said of what it may not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fairdeploy import BlueGreen, Canary, HTTPCheck, InvalidInput, SecretRef
from fairdeploy.cli import main
from fairdeploy.configuration.file import read_configuration, released
from fairdeploy.configuration.schema import schema
from fairdeploy.strategies import Approved

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
[backends]
here = "local://deployments"

[checks.page]
kind = "http"
paths = ["/health", "/"]
timeout_ms = "2s"
bearer = { env = "PAGE_TOKEN" }

[checks.most]
kind = "quorum"
need = 1
checks = [{ kind = "tcp" }, { kind = "http", paths = ["/"] }]

[strategies.careful]
kind = "canary"
steps = [10, 100]
bake = ["5m", 30]
verify = ["page"]

[strategies.asked]
kind = "blue-green"
approved = true

[targets.shop]
backend = "here"
replicas = 2
endpoint = "127.0.0.1:8080"
strategy = "careful"
checks = ["page", "most"]

[targets.shop.release]
version = "1.0"
command = ["/srv/shop/{version}/serve", "--port", "{port}"]
env = { DATABASE_PASSWORD = { file = "/run/secrets/db" }, LOG = "info" }

[targets.shop.release.probes.readiness]
kind = "http"
path = "/ready"
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "fairdeploy.toml"
    path.write_text(text)
    return path


def test_a_file_names_backends_checks_strategies_and_targets(tmp_path: Path) -> None:
    """Everything that a command needs is made from the file, by the model's own constructors."""
    found = read_configuration(_file(tmp_path, WHOLE))

    shop = found.deployable("shop")
    assert found.backends == {"here": f"local://{tmp_path}/deployments"}
    assert found.checks["page"] == HTTPCheck(
        "/health", "/", timeout_ms=2_000, bearer=SecretRef.env("PAGE_TOKEN")
    )
    assert found.strategy("careful") == Canary(
        steps=[10, 100], bake=[timedelta(minutes=5), 30], verify=[found.checks["page"]]
    )
    assert found.strategy("asked") == Approved(BlueGreen())
    assert shop.target.id == "shop/production"
    assert shop.release is not None
    assert shop.release.env["DATABASE_PASSWORD"] == SecretRef.file("/run/secrets/db")


def test_the_command_line_names_another_version(tmp_path: Path) -> None:
    """`{version}` stands for it wherever the release says what runs."""
    shop = read_configuration(_file(tmp_path, WHOLE)).deployable("shop")

    release = released(shop, version="1.1", image=None)

    assert release.version == "1.1"
    assert release.command[0] == "/srv/shop/1.1/serve"
    assert release.command[2] == "{port}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "canary"', 'kind = "kanary"', "strategies.careful.kind must be one of"),
        ("steps = [10, 100]", "step = [10, 100]", "strategies.careful has no setting 'step'"),
        ("steps = [10, 100]", "steps = [100, 10]", "strategies.careful: steps"),
        ('verify = ["page"]', 'verify = ["pag"]', "names 'pag', which [checks] does not have"),
        ('backend = "here"', 'backend = "there"', "has no backend of targets.shop 'there'"),
        ('backend = "here"', "", "targets.shop names no backend"),
        ("replicas = 2", 'replicas = "two"', "targets.shop: replicas"),
        ("replicas = 2", "replica = 2", "targets.shop has no setting 'replica'"),
        ('kind = "quorum"', 'kind = "quorom"', "checks.most.kind must be one of"),
        ("need = 1", "", "checks.most needs 'need'"),
        ('version = "1.0"', "version = 2026-11-23", "targets.shop.release.version is a date"),
        ("[backends]", "[backend]", "has no key 'backend'"),
        ('path = "/ready"', "", "readiness needs 'path'"),
        ("[backends]", "[backends", "is no TOML"),
    ],
)
def test_what_cannot_be_right_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """The message names the file, the table and the key."""
    assert old in WHOLE
    path = _file(tmp_path, WHOLE.replace(old, new, 1))

    with pytest.raises(InvalidInput, match=r".") as raised:
        read_configuration(path)

    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    """It is the first thing that a newcomer meets."""
    with pytest.raises(InvalidInput, match="give one with --config"):
        read_configuration(tmp_path / "fairdeploy.toml")


def test_the_example_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer begins with it: it names a target that can be deployed as it stands."""
    assert main(["schema", "--example"]) == 0

    shown = read_configuration(_file(tmp_path, capsys.readouterr().out)).deployable("page")

    assert shown.release is not None
    assert shown.release.env["PAGE_VERSION"] == "{version}"
    assert released(shown, version="2", image=None).env["PAGE_VERSION"] == "2"


def test_the_schema_knows_every_kind_and_asks_for_no_more_than_is_needed() -> None:
    """An editor that follows it accepts what the reader accepts."""
    found = json.loads(json.dumps(schema()))

    assert found["$defs"]["HTTPCheck"]["required"] == ["kind", "paths"]
    kinds = [
        each["properties"]["kind"]["const"]
        for each in found["properties"]["strategies"]["additionalProperties"]["oneOf"]
    ]
    assert kinds == ["blue-green", "canary", "recreate", "rolling"]
    assert found["$defs"]["target"]["required"] == ["backend"]
