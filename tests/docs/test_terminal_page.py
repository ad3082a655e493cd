"""What the page about the terminal shows is what the program does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fairdeploy.cli import main
from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.configuration.file import read_configuration
from fairdeploy.configuration.provisioning import opened_ground
from fairdeploy.provision.aws import AWSConfig
from fairdeploy.provision.on_premise import OnPremise
from tests.contracts import source

if TYPE_CHECKING:
    from pathlib import Path


PAGE = source.ROOT / "docs" / "terminal.md"


def test_the_configuration_on_the_page_can_be_read(tmp_path: Path) -> None:
    """It is the one that a newcomer copies."""
    found = re.search(r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    file = tmp_path / "fairdeploy.toml"
    file.write_text(found[1])

    assert list(read_configuration(file).deployables) == ["catalogue"]


def test_every_command_on_the_page_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """With every option that the page gives it."""
    typed = re.findall(r"^\$ fairdeploy (\w+)(.*)$", PAGE.read_text(), re.MULTILINE)
    assert typed

    for command, rest in typed:
        assert main([command, "--help"]) == ExitCode.OK
        said = capsys.readouterr().out
        assert all(option in said for option in re.findall(r"--[a-z-]+", rest)), command


def test_every_exit_status_is_on_the_page() -> None:
    """And none that the program does not have."""
    rows = re.findall(r"^\| ([0-9, ]+) \|", PAGE.read_text(), re.MULTILINE)

    assert sorted(int(code) for row in rows for code in row.split(",")) == sorted(ExitCode)


@pytest.mark.anyio
async def test_what_the_page_stands_on_can_be_read(tmp_path: Path) -> None:
    """A server is opened as it stands there; of a stack, every setting is taken."""
    found = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "fairdeploy.toml"
    file.write_text("\n".join(found))
    read = read_configuration(file)

    async with opened_ground(read, "server") as ground:
        assert isinstance(ground, OnPremise)
    stack = {key: value for key, value in read.provision("stack").items() if key != "kind"}
    assert AWSConfig.read(stack).cluster_name == "catalogue"
