"""The program as people use it: in terminals of their own, on real processes behind a real Envoy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pytest

from fairdeploy.backends.local import SupervisorKeeper
from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.host._process import kill_marked, marked
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.local, pytest.mark.timeout(400)]

_SECONDS = 180
CONFIGURATION = """
[backends]
here = "local://deployments"

[checks.page]
kind = "http"
paths = ["/"]

[strategies.quick]
kind = "blue-green"
verify = ["page"]
keep_warm = "10m"
analysis = []

[strategies.asked]
kind = "blue-green"
approved = true
analysis = []

[targets.shop]
backend = "here"
endpoint = "127.0.0.1:{port}"
strategy = "quick"
checks = ["page"]

[targets.shop.release]
version = "1"
command = ["{python}", "-m", "fairdeploy.testing.apps.polite", "--port", "{{port}}", "--revision", "{{version}}"]

[targets.broken]
app = "shop"
backend = "here"
endpoint = "127.0.0.1:{port}"
strategy = "quick"

[targets.broken.release]
version = "broken"
command = ["{python}", "-m", "fairdeploy.testing.apps.polite", "--port", "{{port}}", "--fail-percent", "100"]
"""


@final
@dataclass(frozen=True, slots=True)
class Terminal:
    """A folder with a configuration, in which commands are typed."""

    folder: Path

    def starts(self, *words: str) -> subprocess.Popen[str]:
        """Type a command; it goes on while others are typed."""
        return subprocess.Popen(
            [sys.executable, "-m", "fairdeploy", *words],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def runs(self, *words: str) -> tuple[int, str, str]:
        """Type a command, and wait for its status and what it printed."""
        running = self.starts(*words)
        out, err = running.communicate(timeout=_SECONDS)
        return running.returncode, out, err

    def serving(self) -> str:
        """Ask what serves."""
        code, out, err = self.runs("status", "shop", "-o", "json")
        assert code == ExitCode.OK, err
        stable: str = json.loads(out)["deployment"]["stable"]
        return stable


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A folder where version 1 serves."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "fairdeploy.toml").write_text(CONFIGURATION.format(port=free_port(), python=sys.executable))
    made = Terminal(folder)
    try:
        code, out, err = made.runs("deploy", "shop", "--yes")
        assert code == ExitCode.OK, out + err
        yield made
    finally:
        mark = SupervisorKeeper(folder / "deployments" / "keeper")._home.mark
        kill_marked(mark)
        assert not marked(mark)


def _until(running: subprocess.Popen[str], step: str) -> None:
    """Read a stream of documents until a step begins."""
    assert running.stdout is not None
    for line in running.stdout:
        document: dict[str, Any] = json.loads(line)
        if document.get("kind") == "intended" and document["step"].startswith(step):
            return
    assert running.stderr is not None
    pytest.fail(f"it ended before {step!r}: {running.stderr.read()}")


def test_nothing_moves_without_consent_where_nobody_can_be_asked(terminal: Terminal) -> None:
    """It is refused, with the command to type."""
    before = terminal.serving()

    code, out, err = terminal.runs("deploy", "shop", "--version", "2")

    assert code == ExitCode.REFUSED
    assert "fairdeploy deploy shop --version 2 --yes" in err
    assert not out
    assert terminal.serving() == before


def test_a_dry_run_shows_the_plan_and_changes_nothing(terminal: Terminal) -> None:
    """The plan is whole, and the document carries its hash."""
    code, out, err = terminal.runs("deploy", "shop", "--version", "2", "--dry-run", "-o", "json")

    assert code == ExitCode.OK, err
    assert json.loads(out)["outcome"] == "planned"


def test_what_is_not_good_goes_back_and_the_status_says_so(terminal: Terminal) -> None:
    """The last words of the check are there, and the next command to type."""
    before = terminal.serving()

    code, out, err = terminal.runs("deploy", "broken", "--yes")

    assert code == ExitCode.ROLLED_BACK, out + err
    assert "answered 500" in out + err
    assert "fairdeploy watch broken --rollout" in err
    assert terminal.serving() == before


def test_a_plan_that_somebody_has_read_is_run_as_it_is(terminal: Terminal) -> None:
    """It needs no consent again; changed by a byte, it is refused; and once the target has moved, it is stale."""
    assert terminal.runs("plan", "shop", "--version", "3", "--out", "three.json")[0] == ExitCode.OK
    plan = terminal.folder / "three.json"
    (terminal.folder / "forged.json").write_text(
        plan.read_text().replace('\\"replicas\\":1', '\\"replicas\\":2')
    )

    assert terminal.runs("deploy", "shop", "--plan", "forged.json")[0] == ExitCode.USAGE
    code, out, err = terminal.runs("deploy", "shop", "--plan", "three.json", "-o", "ndjson")

    assert code == ExitCode.OK, err
    documents = [json.loads(line) for line in out.splitlines()]
    assert documents[0] == {"type": "version", "schema": "1.0"}
    assert documents[-1]["outcome"] == "promoted"
    assert terminal.serving().startswith("3-")
    assert terminal.runs("deploy", "shop", "--plan", "three.json")[0] == ExitCode.REFUSED


def test_another_terminal_says_yes(terminal: Terminal) -> None:
    """The program that drives the rollout obeys, and watch exits as it ended."""
    driving = terminal.starts(
        "deploy", "shop", "--version", "4", "--strategy", "asked", "--yes", "-o", "ndjson"
    )
    _until(driving, "approv")

    assert terminal.runs("watch", "shop", "--timeout", "0.1")[0] == ExitCode.RUNNING
    code, _, err = terminal.runs("approve", "shop")

    assert code == ExitCode.OK, err
    driving.communicate(timeout=_SECONDS)
    assert driving.returncode == ExitCode.OK
    assert terminal.serving().startswith("4-")


def test_a_termination_goes_back_first(terminal: Terminal) -> None:
    """The status says by which signal it ended; what served before serves."""
    before = terminal.serving()
    driving = terminal.starts(
        "deploy", "shop", "--version", "5", "--strategy", "asked", "--yes", "-o", "ndjson"
    )
    _until(driving, "approv")

    driving.send_signal(signal.SIGTERM)
    _, err = driving.communicate(timeout=_SECONDS)

    assert driving.returncode == ExitCode.TERMINATED, err
    assert terminal.serving() == before
    assert terminal.runs("approve", "shop")[0] == ExitCode.REFUSED


def test_back_and_what_was(terminal: Terminal) -> None:
    """A rollback that was asked for is no failure; history lists every rollout with its end."""
    code, _, err = terminal.runs("rollback", "shop", "--to", "1", "--yes")

    assert code == ExitCode.OK, err
    assert terminal.serving().startswith("1-")
    code, out, err = terminal.runs("history", "shop", "-o", "json")
    assert code == ExitCode.OK, err
    assert {"promoted", "rolled_back"} <= {row["outcome"] for row in json.loads(out)}
    assert terminal.runs("recover")[0] == ExitCode.OK
    assert terminal.runs("health", "shop")[0] == ExitCode.OK
