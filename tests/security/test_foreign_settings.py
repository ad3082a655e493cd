"""What people write, and what other programs print, to settle where and how things run: understood, or refused by us."""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import example, given, settings, strategies as st

from fairdeploy.backends.compose import _opening as of_compose
from fairdeploy.backends.ecs import Place
from fairdeploy.backends.kubernetes import _opening as of_kubernetes
from fairdeploy.backends.local import _opening as of_local
from fairdeploy.compose import reading
from fairdeploy.compose.dockerfile import read_startup
from fairdeploy.compose.places import broken, find_places
from fairdeploy.configuration.file import read_configuration
from fairdeploy.configuration.plan_file import read_plan, write_plan
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.backup import read_backup
from fairdeploy.errors import BackupError, FairdeployError, InvalidInput, RecordError
from fairdeploy.guard import load_bindings
from fairdeploy.journal import MemoryJournal, codec, export, fill, open_journal
from fairdeploy.journal.opening import secrets_of
from fairdeploy.model import Undecided, UndoPolicy
from tests.cli.test_configuration import WHOLE
from tests.journal.plans import plan
from tests.security.test_foreign_bytes import ANY_JSON, changed, only_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD = st.text(max_size=6) | st.sampled_from(
    [
        "[" * 3_000,
        "{a=" * 500,
        "9" * 5_000,
        "1e999",
        "nan",
        "2026-13-45",
        "[[x]]\n",
        "\x85",
        "\ufeff",
        "'" * 3,
        "{1: &a}",
    ]
)
"""What breaks readers of text: depth, numbers beyond reason, dates that are none, odd characters."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder for files that are written again and again."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    """Draw a text with something odd in it."""
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(ODD) + text[at + draw(st.integers(0, 9)) :]


@given(text=spoilt(WHOLE) | ODD)
@example(text="bindings = " + "9" * 5_000)
@settings(max_examples=150)
def test_the_file_of_the_command_line(folder: Path, text: str) -> None:
    """`fairdeploy.toml` with anything in it."""
    path = folder / "fairdeploy.toml"
    path.write_text(text, encoding="utf-8")
    only_ours(lambda: read_configuration(path), InvalidInput)


@given(
    text=ODD
    | ANY_JSON.map(json.dumps)
    | st.dictionaries(st.sampled_from(["hash", "plan"]), ANY_JSON).map(json.dumps)
)
def test_a_plan_in_a_file(folder: Path, text: str) -> None:
    """Whoever approved it: what is not what was written is refused."""
    path = folder / "plan.json"
    path.write_text(text, encoding="utf-8")
    assert only_ours(lambda: anyio.run(read_plan, path))


def test_a_plan_in_a_file_that_never_ends(folder: Path) -> None:
    """A larger one than any plan is not read to its end."""
    path = folder / "large.json"

    async def both() -> None:
        await write_plan(path, plan())
        assert (await read_plan(path)).hash == plan().hash
        with path.open("ab") as file:
            file.truncate(1 << 40)  # a hole: it takes no room
        await read_plan(path)

    with pytest.raises(InvalidInput, match="larger than"):
        anyio.run(both)


POLICY = st.dictionaries(
    st.sampled_from([each.name for of in (Undecided, UndoPolicy) for each in fields(of)])
    | st.text(max_size=4),
    ANY_JSON | st.sampled_from(["continue", "hold", "pause", "roll_back", "undo", "resume", 0.5, 10**400]),
    max_size=4,
)


@given(policy=POLICY | ANY_JSON, part=st.sampled_from(["undo_policy", "undecided", "guards", "on_verdict"]))
@example(policy={"limit": float("nan")}, part="undecided")
def test_a_policy_in_a_plan(policy: object, part: str) -> None:
    """What follows an undecided check, a verdict or a crash: understood, or the record is refused."""
    whole = json.loads(codec.encode_plan(plan()))
    (whole if part in whole else whole["guards"][0])[part] = policy
    text = json.dumps(whole)
    if not only_ours(lambda: codec.plan(text, "the plan"), RecordError):
        assert codec.plan(codec.encode_plan(codec.plan(text, "the plan")), "it") == codec.plan(text, "it")


@given(
    policy=POLICY | ANY_JSON, name=st.sampled_from(["kind", "undecided", "on_crash", "approved", "keep_warm"])
)
@settings(max_examples=50)
def test_a_policy_of_a_strategy(folder: Path, policy: object, name: str) -> None:
    """In a table of `fairdeploy.toml`, as a text, a number, a list or a table."""
    path = folder / "fairdeploy.toml"
    table = "strategies.careful"
    path.write_text(
        WHOLE.replace(f"[{table}]", f"[{table}]\n{name} = {_toml(policy)}").replace(
            'kind = "canary"', "" if name == "kind" else 'kind = "canary"'
        ),
        encoding="utf-8",
    )
    only_ours(lambda: read_configuration(path), InvalidInput)


def _toml(value: object) -> str:
    """Write a value; names of a table are quoted, as any text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


ADDRESS = st.text(max_size=12) | st.sampled_from(
    ["[::1", "u:p@h:x/d", "h:99999999/d", "%zz", "//", "?journal=%00", "a/b?scaling=9"]
)


@given(ADDRESS)
def test_addresses(rest: str) -> None:
    """Of backends, journals and databases: read, or refused before anybody is asked."""
    only_ours(lambda: of_local.Place.of(f"local://{rest}"), InvalidInput)
    only_ours(
        lambda: (of_compose.given(f"compose://{rest}"), of_compose.journal_of(f"compose://{rest}", None)),
        InvalidInput,
    )
    only_ours(lambda: of_kubernetes.place(f"kubernetes://{rest}", None), InvalidInput)
    only_ours(lambda: Place.parse(f"ecs://{rest}"), InvalidInput)
    only_ours(lambda: Place.parse(rest), InvalidInput)
    for scheme in ("sqlite", "postgresql", rest):
        only_ours(lambda scheme=scheme: secrets_of(f"{scheme}://{rest}", {}), InvalidInput)  # type: ignore[misc]  # of the loop
    only_ours(lambda: open_journal(f"sqlite://{rest}"), InvalidInput)
    only_ours(lambda: DatabaseAddress(f"postgresql://{rest}"), InvalidInput)


@given(
    st.text(max_size=12) | st.sampled_from(["", ".", "..x", "a..b", "os.path.", "sys", "json\0", "x" * 5_000])
)
def test_the_name_of_a_module_for_a_guard(name: str) -> None:
    """It declares what a guard needs, or is refused."""
    assert only_ours(lambda: load_bindings(name), InvalidInput)


MANIFEST = '{"id":"a","size":1,"sha256":"0","proof":"none","restore_ms":null}'


@given(text=changed(MANIFEST) | ANY_JSON.map(json.dumps) | ODD)
def test_the_manifest_of_a_backup(folder: Path, text: str) -> None:
    """Understood, or an error of the backup."""
    (folder / "a.json").write_text(text, encoding="utf-8")
    only_ours(lambda: read_backup(folder, "a"), BackupError)


COMPOSED = json.dumps(
    {
        "name": "shop",
        "services": {
            "app": {
                "image": "app",
                "command": ["serve"],
                "environment": {"A": "b"},
                "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}],
                "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
                "depends_on": {"db": {"condition": "service_started"}},
                "healthcheck": {"test": ["CMD", "true"], "interval": "1m30s"},
                "deploy": {"resources": {"limits": {"cpus": 1.5, "memory": "1024"}}, "replicas": 2},
                "build": {"context": "/nowhere", "dockerfile_inline": "FROM a\nCMD x"},
                "networks": {"default": None},
                "stop_grace_period": "10s",
            }
        },
        "volumes": {"data": {"name": "data"}},
        "networks": {"default": {"name": "shop"}},
        "secrets": {"s": {"file": "s"}},
        "configs": {"c": {"content": "x"}},
    }
)


@given(changed(COMPOSED) | ANY_JSON.map(json.dumps))
@settings(max_examples=300)
def test_what_compose_prints(text: str) -> None:
    """A project, or an error of ours."""
    only_ours(lambda: reading._read(text.encode(), "", {"/nowhere/compose.yaml": ""}))


YAML = "services:\n  app: &a\n    image: x\n    ports: ['1:2']\n  other: *a\n"


@given(spoilt(YAML) | ODD)
@example("[" * 3_000)
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
def test_a_compose_file_in_which_places_are_looked_for(text: str) -> None:
    """It is only looked at: whatever is in it, it makes no object, and is never in the way."""
    find_places("compose.yaml", text)
    broken("compose.yaml", text)
    read_startup(text)


def test_aliases_do_not_blow_up() -> None:
    """A bomb of aliases is walked through no further than any file is."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert len(find_places("compose.yaml", "\n".join(lines))) <= 20_000


EXPORT: list[str] = []


async def _exported() -> list[str]:
    journal = MemoryJournal()
    await journal.begin("r1", plan(), "one", 1_000)
    return [line async for line in export(journal)]


@given(st.data())
def test_an_export_of_a_journal(data: st.DataObject) -> None:
    """Filled whole, or nothing is written."""
    if not EXPORT:
        EXPORT.extend(anyio.run(_exported))
    lines = list(EXPORT)
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(changed(lines[at]) | ODD)

    async def filled() -> None:
        journal = MemoryJournal()
        try:
            await fill(journal, lines)
        except FairdeployError as error:
            assert isinstance(error, (RecordError, InvalidInput)), error  # noqa: PT017 -- either is right
            assert await journal.rollouts() == ()

    anyio.run(filled)
