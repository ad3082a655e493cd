"""What a deployer may do, and what it stands on: from the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fairdeploy.cli import main
from fairdeploy.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
[backends]
cluster = "kubernetes://test/shop"
cloud = "ecs://eu-central-1/shop/web"
here = "local://deployments"

[strategies.quick]
kind = "blue-green"
analysis = []

[targets.pods]
backend = "cluster"

[targets.tasks]
backend = "cloud"

[targets.processes]
backend = "here"

[provision.server]
kind = "on-premise"
files = ["compose.yaml"]
folder = "."
ports = []
volumes = []
database = "db:5432"
memory_gb = 0.1
disk_gb = 0.1
cpus = 1

[provision.server.admin]
service = "app"
command = ["/admin"]
variable = "PASSWORD"
password = { env = "ADMIN_PASSWORD" }

[provision.stack]
kind = "aws"
cluster_name = "shop"
region = "eu-central-1"

[provision.other]
kind = "mainframe"
"""
ROLE = "arn:aws:iam::123456789012:role/task"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fairdeploy.toml").write_text(CONFIGURATION)
    (tmp_path / "compose.yaml").write_text(
        "services:\n  app:\n    image: app:1\n  db:\n    image: postgres:18\n"
    )
    monkeypatch.chdir(tmp_path)


def test_a_cluster_gets_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    """As text it is a manifest for kubectl; as a document it is the same."""
    assert main(["permissions", "pods", "--service", "shop"]) == ExitCode.OK
    text = json.loads(capsys.readouterr().out)
    assert main(["permissions", "pods", "--service", "shop", "-o", "json"]) == ExitCode.OK

    assert json.loads(capsys.readouterr().out) == text
    assert text["kind"] == "Role"
    assert all("*" not in each["verbs"] for each in text["rules"])


def test_a_cloud_gets_a_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """With the ARNs of what the backend's URI names."""
    words = ["permissions", "tasks", "--account", "123456789012", "--role", ROLE, "-o", "json"]
    assert main(words) == ExitCode.OK

    said = json.loads(capsys.readouterr().out)
    assert said["Version"] == "2012-10-17"
    assert "arn:aws:ecs:eu-central-1:123456789012:service/shop/web" in json.dumps(said)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["permissions", "tasks"], 2, "needs --account and --role"),
        (["permissions", "processes"], 2, "nothing is to be granted"),
        (["provision", "plan", "nothing"], 2, "no provision 'nothing'"),
        (["provision", "plan", "other"], 2, "kind must be 'aws' or 'on-premise'"),
        (["provision", "plan", "stack"], 2, "needs 'certificate_arn'"),
        (["provision", "raze", "server"], 2, "raze"),
        (["provision", "remove", "server"], 5, "fairdeploy provision remove server --yes"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_moves(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do instead."""
    assert main(words) == code
    printed = capsys.readouterr()
    assert said in " ".join((printed.err + printed.out).split())


@pytest.mark.docker
def test_a_server_is_planned(docker_engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step says what it would do; nothing has changed."""
    assert docker_engine
    assert main(["provision", "plan", "server", "-o", "json"]) in {ExitCode.OK, ExitCode.NEEDS_A_PERSON}

    said = json.loads(capsys.readouterr().out)
    assert said["what"] == "plan"
    assert "changed" not in {step["outcome"] for step in said["steps"]}
