"""What every command prints in each mode, kept as files; `python -m tests.cli.test_golden` writes them anew.

Commands run in this process, by the program's own entry, over a world in memory with a real journal. What is of the
day (times, ids, this machine) is put out of the way; everything else is compared to the letter.
"""

from __future__ import annotations

import io
import logging
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import fairdeploy
from fairdeploy.cli import main
from fairdeploy.cli.commands.table import COMMANDS
from fairdeploy.configuration.file import read_configuration, released
from fairdeploy.guard.opening import open_backend
from fairdeploy.model import Parked
from tests.cli.simulated_scheme import install

GOLDEN = Path(__file__).parent / "golden"
RENEW = "if that is meant: python -m tests.cli.test_golden, and read the diff"
COLUMNS = "110"
"""Text is folded to the terminal, which a worker of pytest has not."""
FORMS = ("text", "json", "ndjson")
CONFIGURATION = """
bindings = "tests.cli.simulated_scheme"

[backends]
here = "simulated://{folder}"

[strategies.quick]
kind = "canary"
steps = [50, 100]
bake = "300ms"
analysis = []
keep_warm = "10m"

[strategies.asked]
kind = "blue-green"
approved = true
analysis = []
watch = 0

[assistants]
apply = ["shop"]

[targets.shop]
backend = "here"
endpoint = "127.0.0.1:8080"
strategy = "quick"
checks = ["page"]

[targets.shop.release]
version = "1"
command = ["serve", "--version", "{{version}}", "--port", "{{port}}"]
"""
ELSEWHERE = """
[backends]
cluster = "kubernetes://test/shop"
cloud = "ecs://eu-central-1/shop/web"

[strategies.quick]
kind = "blue-green"

[targets.pods]
backend = "cluster"

[targets.tasks]
backend = "cloud"

[provision.server]
kind = "on-premise"
files = ["compose.yaml"]
folder = "."
"""
ANSWERS = ["budget=low", "expertise=basic", "expected_growth=low", "data_sovereignty=yes", "compliance=GDPR"]
ROLE = "arn:aws:iam::123456789012:role/task"
LONGEST = 6_000
"""Characters of an answer that are kept: of a long one, the catalogue's and the schema's own tests know the rest."""
OF_THE_DAY = (
    (r"\b\d{8}T\d{6}-[0-9a-f]{8}\b", "ROLLOUT"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+\+00:00| UTC)?", "TIME"),
    (r"(?m)^! \d\d:\d\d:\d\d ", "! HH:MM:SS "),
    (r"[\w.-]+@[\w.-]+:\d+( boot=\S+ ns=\S+ start=\d+)?", "WHO@HOST:PID"),
    (r'("(?:at|began|ended|started|took|pause|ready)_ms"|"seconds"): ?[\d.]+', r"\1: 0"),
    (r"after \d+(\.\d+)? (m?s|min)( \d+ m?s)?", "after SOME s"),
    (r"\(\d+ ms\)|\b\d+\.\d s\b", "SOME ms"),
    (r'(?m)^\{[^\n]*"kind":"progressed"[^\n]*\n', ""),  # how often it looks hangs on the machine
    (r'"seq": ?\d+', '"seq": 0'),
)
"""What is put out of the way."""


class House:
    """A folder with a configuration, and what is typed there.

    Args:
        folder: Empty.
        form: What ``--output`` is given.
    """

    def __init__(self, folder: Path, form: str) -> None:
        self.folder = folder
        self.form = form
        self.said: dict[str, str] = {}
        (folder / "fairdeploy.toml").write_text(CONFIGURATION.format(folder=folder))
        (folder / "elsewhere.toml").write_text(ELSEWHERE)

    def types(self, *words: str) -> None:
        """Type a command, and add what it printed to the page of that command."""
        out, err, handlers = io.StringIO(), io.StringIO(), logging.root.handlers[:]
        with redirect_stdout(out), redirect_stderr(err):
            code = main([*words, "-o", self.form])
        logging.root.handlers = handlers  # the protocol's library adds one that writes to standard error
        answer = timeless(out.getvalue(), self.folder)
        if len(answer) > LONGEST:
            answer = f"{answer[:LONGEST]}\n... and so on\n"
        page = f"$ fairdeploy {shlex.join(words)} -o {self.form}\n{answer}"
        page += "".join(f"! {line}\n" for line in err.getvalue().splitlines()) + f"= {code}\n\n"
        self.said[words[0]] = self.said.get(words[0], "") + timeless(page, self.folder)

    @contextmanager
    def waiting(self, version: str) -> Iterator[None]:
        """Let another thread drive a rollout that waits for an approval, until it has ended."""
        read = read_configuration(self.folder / "fairdeploy.toml")
        shop = read.deployable("shop")
        release = released(shop, version=version, image=None)
        uri = read.backends["here"]
        with fairdeploy.blocking(partial(open_backend, uri)) as door, ThreadPoolExecutor(1) as thread:
            plan = door.plan(shop.target, release, read.strategy("asked"))
            driven = thread.submit(door.run, plan)
            while (running := door.status(shop.target).rollout) is None:
                assert not driven.done(), driven.result()
            for event in door.events(running.id):
                if isinstance(event.record, Parked):
                    break
            yield
            driven.result(60)


def timeless(page: str, folder: Path) -> str:
    """Return a page without what is of the day: times, ids, folders, this machine."""
    page = page.replace(str(folder), "FOLDER")
    for pattern, word in OF_THE_DAY:
        page = re.sub(pattern, word, page)
    return page


def told(folder: Path, form: str) -> dict[str, str]:
    """Type every command, as a day with the tool goes, and return its page by its name."""
    house = House(folder, form)
    types = house.types
    types("recommend", *ANSWERS)
    types("schema")
    types("schema", "--example")
    types("status", "shop")
    types("history", "shop")
    types("watch", "shop")
    types("validate", "shop")
    types("plan", "shop")
    types("deploy", "shop")
    types("deploy", "shop", "--dry-run")
    types("deploy", "shop", "--yes")
    types("deploy", "shop", "--yes", "--version", "2", "--strategy", "asked", "--dry-run")
    types("deploy", "shop", "--yes", "--version", "2")
    types("deploy", "shop", "--yes", "--version", "2")
    types("deploy", "shop", "--yes", "--version", "bad")
    types("watch", "shop")
    types("health", "shop")
    with house.waiting("3"):
        types("status", "shop")
        types("watch", "shop", "--timeout", "0")
        types("deploy", "shop", "--yes", "--version", "4")
        types("pause", "shop", "--reason", "lunch")
        types("resume", "shop")
        types("approve", "shop")
    with house.waiting("4"):
        types("promote", "shop", "--full")
        types("promote", "shop", "--full", "--yes")
    with house.waiting("5"):
        types("abort", "shop", "--reason", "wrong logo")
    for command in ("approve", "promote", "pause", "resume", "abort"):
        types(command, "shop")
    types("rollback", "shop")
    types("rollback", "shop", "--yes")
    types("rollback", "shop", "--to", "none", "--yes")
    types("recover")
    types("history", "shop")
    types("permissions", "shop")
    elsewhere = ("--config", "elsewhere.toml")
    types("permissions", "pods", "--service", "shop", *elsewhere)
    types("permissions", "tasks", "--account", "123456789012", "--role", ROLE, *elsewhere)
    types("provision", "plan", "nothing", *elsewhere)
    types("provision", "remove", "server", *elsewhere)
    types("mcp", "--http", "192.0.2.1:80")
    types("approve-plan", "0" * 64)
    types("check-compose", "none.yaml")
    return house.said


@pytest.mark.parametrize("form", FORMS)
def test_every_command_prints_what_is_kept(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the letter; a change that is meant is written anew, and read in the diff."""
    install(tmp_path / "installed")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", COLUMNS)

    said = told(tmp_path, form)

    assert set(said) == set(COMMANDS)
    for command, page in said.items():
        kept = GOLDEN / f"{command}.{form}"
        assert page == kept.read_text(encoding="utf-8"), RENEW


if __name__ == "__main__":
    for each in FORMS:
        with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
            install(Path(place) / "installed")
            patch.syspath_prepend(Path(place) / "installed")
            patch.chdir(place)
            patch.setenv("COLUMNS", COLUMNS)
            for command, page in told(Path(place), each).items():
                (GOLDEN / f"{command}.{each}").write_text(page, encoding="utf-8")
