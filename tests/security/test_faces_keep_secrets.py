"""What people and assistants are shown of a release with a secret, by every door and in every mode, has none of it."""

from __future__ import annotations

import json
import secrets
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from fairdeploy import SecretRef, blocking
from fairdeploy.backends.local import SupervisorKeeper
from fairdeploy.cli import main
from fairdeploy.configuration.file import read_configuration
from fairdeploy.errors import FairdeployError
from fairdeploy.host._process import kill_marked, marked
from tests.mcp.test_server import client
from tests.ports import free_port
from tests.security.deploying import BLURTING, VARIABLE
from tests.security.surfaces import Surfaces, found_in, locals_of, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.local, pytest.mark.timeout(400)]

SECRET = f"s3cr3t-of-the-faces-{secrets.token_hex(4)}"
CONFIGURATION = """
[backends]
here = "local://deployments"

[assistants]
targets = ["shop"]

[checks.page]
kind = "http"
paths = ["/"]
bearer = {{ env = "{variable}" }}

[strategies.quick]
kind = "blue-green"
verify = ["page"]
ready_deadline = 60
analysis = []

[targets.shop]
backend = "here"
endpoint = "127.0.0.1:{port}"
strategy = "quick"
checks = ["page"]

[targets.shop.release]
version = "1"
command = ["{python}", "-c", {blurting}, "{{uds}}"]
env = {{ PASSWORD = {{ env = "{variable}" }}, TOKEN = {{ env = "{variable}" }} }}
"""
COMMANDS = (
    ("deploy", "shop", "--dry-run"),
    ("validate", "shop"),
    ("deploy", "shop", "--yes"),
    ("status", "shop"),
    ("history", "shop"),
    ("health", "shop"),
    ("rollback", "shop", "--yes"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder with a configuration, whose release shows its secrets as it dies."""
    monkeypatch.setenv(VARIABLE, SECRET)
    monkeypatch.chdir(tmp_path)
    text = CONFIGURATION.format(
        variable=VARIABLE, port=free_port(), python=sys.executable, blurting=json.dumps(BLURTING)
    )
    (tmp_path / "fairdeploy.toml").write_text(text)
    yield tmp_path
    mark = SupervisorKeeper(tmp_path / "deployments" / "keeper")._home.mark
    kill_marked(mark)
    assert not marked(mark)


@pytest.mark.parametrize("mode", ["text", "json", "ndjson"])
def test_a_terminal(mode: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Plan, failed release, refusals and status, for people and for programs."""
    seen: Surfaces = {}
    for words in COMMANDS:
        code = main([*words, "-o", mode])
        out, err = capfd.readouterr()
        seen[f"{' '.join(words)} ({code})"] = out + err
    assert "[secret]" in "".join(seen.values()), "its last words must be shown, or nothing is proved here"
    assert found_in(seen, [SECRET]) == set()


def test_a_program_that_does_not_await(folder: Path) -> None:
    """Plan, error and status of the blocking face."""
    found = read_configuration(folder / "fairdeploy.toml")
    shop = found.deployable("shop")
    assert shop.release is not None
    assert SecretRef.env(VARIABLE) in shop.release.env.values()
    seen: Surfaces = {}
    with blocking(found.backends["here"]) as deployer:
        plan = deployer.plan(shop.target, shop.release, found.strategy("quick"))
        seen["plan"] = f"{plan} {plan!r}"
        with pytest.raises(FairdeployError) as failed:
            deployer.deploy(shop.target, shop.release, found.strategy("quick"))
        seen |= locals_of(failed.value) | {"status": f"{deployer.status(shop.target)!r}"}
    assert "[secret]" in str(failed.value), "its last words must be shown, or nothing is proved here"
    assert found_in(seen, [SECRET]) == set()


@pytest.mark.anyio
async def test_an_assistant(folder: Path) -> None:
    """Every tool that looks, refusals too; and what the server keeps on the disk."""
    seen: Surfaces = {}
    async with client(folder, "stdio") as server:
        for tool in (await server.list_tools()).tools:
            words: dict[str, Any] = {"target": "shop"} if "target" in str(tool.input_schema) else {}
            with suppress(TimeoutError):
                seen[tool.name] = repr(await server.call_tool(tool.name, words))
    assert "PASSWORD" in "".join(seen.values()) or "shop" in seen["plan"]
    assert found_in(seen | stored(folder), [SECRET]) == set()
