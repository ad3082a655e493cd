"""The program as a whole: help, what it prints where, and its exit status, without any backend."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fairdeploy import DeploymentError, InvalidInput, LeaseHeld, Outcome, RolloutResult
from fairdeploy.cli import main
from fairdeploy.cli.exit_code import ExitCode, of_error, of_result
from fairdeploy.errors import BackendError, ConsentRequired, NoWayBack, RollbackError

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = ["budget=low", "expertise=basic", "expected-growth=low", "data_sovereignty=yes", "compliance=GDPR"]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A person who never saw the tool begins here."""
    assert main(["--help"]) == 0

    said = capsys.readouterr().out
    for command in (
        "recommend",
        "plan",
        "deploy",
        "watch",
        "rollback",
        "abort",
        "approve",
        "recover",
        "validate",
    ):
        assert command in said


def test_no_command_needs_more_than_its_help_to_be_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help says what its options are for."""
    assert main(["deploy", "--help"]) == 0

    said = capsys.readouterr().out
    for option in ("--strategy", "--dry-run", "--yes", "--supersede", "--output", "--config"):
        assert option in said


def test_a_recommendation_is_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Quiet, it is the paragraph for a board."""
    assert main(["recommend", *ANSWERS, "-q"]) == 0

    assert capsys.readouterr().out.startswith("We recommend Single Server On-Premise.")


def test_a_recommendation_is_one_document_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output holds the document and nothing else."""
    assert main(["recommend", *ANSWERS, "-o", "json"]) == 0

    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["recommend", "budget"], "write field=answer"),
        (["recommend", *ANSWERS, "budgett=low"], "no field 'budgett'"),
        (["status", "shop"], "give one with --config"),
        (["deploy"], "target"),
        (["history", "shop", "--limit", "0"], "limit must be at least 1"),
        (["deplyo", "shop"], "deplyo"),
    ],
)
def test_a_wrong_command_exits_with_2_and_says_why(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is printed to standard output, and nothing has changed."""
    monkeypatch.chdir(tmp_path)

    assert main(words) == ExitCode.USAGE

    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.PROMOTED, 0),
        (Outcome.ROLLED_BACK, 3),
        (Outcome.ABORTED, 3),
        (Outcome.SUPERSEDED, 3),
        (Outcome.NEEDS_ATTENTION, 4),
    ],
)
def test_every_end_of_a_rollout_has_its_exit_status(outcome: Outcome, code: int) -> None:
    """A pipeline is never green after a rollback."""
    result = RolloutResult("r", outcome=outcome)

    assert of_result(result) == code
    assert of_error(DeploymentError("it did not end well", result)) == code


def test_errors_are_told_apart_by_what_to_do_about_them() -> None:
    """Usage, refused, and everything else."""
    assert of_error(InvalidInput("x")) == ExitCode.USAGE
    assert of_error(LeaseHeld("x")) == ExitCode.REFUSED
    assert of_error(BackendError("x")) == ExitCode.ERROR
    assert of_error(NoWayBack("x")) == ExitCode.REFUSED
    assert of_error(RollbackError("x")) == ExitCode.NEEDS_A_PERSON
    assert issubclass(ConsentRequired, Exception)


def test_the_module_is_the_same_program() -> None:
    """`python -m fairdeploy` needs no console script."""
    ran = subprocess.run(
        [sys.executable, "-m", "fairdeploy", "recommend", "budget"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.startswith("fairdeploy: ")


def test_without_its_extra_it_says_how_to_get_it() -> None:
    """A console script cannot ask for an extra: users would meet a traceback."""
    hide = (
        "import sys; sys.modules['cyclopts'] = None; "
        "import importlib.util as u; real = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name == 'cyclopts' else real(name, *a); "
        "from fairdeploy.cli import main; sys.exit(main(['status', 'shop']))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", hide], check=False, capture_output=True, text=True, timeout=60
    )

    assert ran.returncode == ExitCode.USAGE
    assert "pip install 'fairdeploy[cli]'" in ran.stderr


@pytest.mark.docker
@pytest.mark.parametrize(("more", "code"), [("", ExitCode.OK), ("container_name: one", ExitCode.REFUSED)])
def test_a_compose_file_is_judged(
    more: str, code: int, docker_engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has a Compose file begins with the question whether it can roll."""
    assert docker_engine
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n  app:\n    image: app:1\n    expose: ['8000']\n    command: ['/serve']\n"
        "    healthcheck: {test: ['CMD', '/ask']}\n" + (f"    {more}\n" if more else "")
    )

    found = main(["check-compose", str(file), "-o", "json"])

    printed = capsys.readouterr()
    assert found == code, printed.out + printed.err
    assert [each["service"] for each in json.loads(printed.out)["services"]] == ["app"]
