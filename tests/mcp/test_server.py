"""Every tool, asked by the protocol's own client, on both of its transports, of a real deployment."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, StdioServerParameters

from fairdeploy.errors import Refused
from fairdeploy.mcp.approvals import Approvals
from tests.ports import free_port
from tests.proof.stage import stopped

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]

Transport = Literal["stdio", "http"]
CONFIGURATION = """
[backends]
here = "local://deployments"

[assistants]
targets = ["shop"]
{apply}

[checks.page]
kind = "http"
paths = ["/"]

[strategies.quick]
kind = "blue-green"
analysis = []

[targets.shop]
backend = "here"
endpoint = "127.0.0.1:{port}"
checks = ["page"]

[targets.shop.release]
version = "1"
command = ["{python}", "-m", "fairdeploy.testing.apps.polite", "--port", "{{port}}", "--revision", "{{version}}"]
env = {{ TOKEN = "a-word-that-nobody-may-see" }}

[targets.other]
backend = "here"
"""
ANSWERS = {
    "budget": "low",
    "expertise": "basic",
    "expected_growth": "low",
    "data_sovereignty": "yes",
    "compliance": ["GDPR"],
}
LOOKING = {
    "recommend",
    "explain",
    "targets",
    "plan",
    "validate",
    "check_compose",
    "status",
    "history",
    "rollout",
    "health",
}


def configure(folder: Path, *, apply: bool) -> None:
    """Write the configuration, with or without leave to apply."""
    said = 'apply = ["shop"]' if apply else ""
    text = CONFIGURATION.format(apply=said, port=free_port(), python=sys.executable)
    (folder / "fairdeploy.toml").write_text(text)


@asynccontextmanager
async def client(folder: Path, transport: Transport) -> AsyncGenerator[Client]:
    """Connect to a server of its own process."""
    words = ["-m", "fairdeploy", "mcp"]
    if transport == "stdio":
        server = StdioServerParameters(
            command=sys.executable, args=words, cwd=str(folder), env=dict(os.environ)
        )
        async with Client(server) as connected:
            yield connected
        return
    port = free_port()
    command = [sys.executable, *words, "--http", f"127.0.0.1:{port}"]
    process = await anyio.open_process(command, cwd=folder, stdout=None, stderr=subprocess.DEVNULL)
    try:
        with anyio.fail_after(60):
            while True:
                try:
                    await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await anyio.sleep(0.05)
        async with Client(f"http://127.0.0.1:{port}/mcp") as connected:
            yield connected
    finally:
        process.terminate()
        await process.aclose()


async def ask(server: Client, tool: str, **arguments: object) -> Any:  # noqa: ANN401 -- whatever the tool answers
    """Call a tool, and return its typed answer, which is bounded and holds no setting of a release."""
    result = await server.call_tool(tool, arguments)
    text = str(result.content)
    assert not result.is_error, text
    assert len(text) < 40_000
    assert "nobody-may-see" not in text
    assert result.structured_content is not None
    return result.structured_content


async def refused(server: Client, tool: str, **arguments: object) -> str:
    """Call a tool that refuses, and return why."""
    result = await server.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content)


def approve(folder: Path, digest: str) -> str:
    """Type the approval as a person does, in a terminal, and return what was printed."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "fairdeploy", "approve-plan", digest]
    process = subprocess.Popen(
        command, cwd=folder, stdin=slave, stderr=slave, stdout=subprocess.PIPE, text=True
    )
    os.close(slave)
    said = ""
    while "to go on" not in said:
        said += os.read(master, 4096).decode()
    os.write(master, b"shop\n")
    out, _ = process.communicate(timeout=120)
    os.close(master)
    assert process.returncode == 0
    return said + out


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder in which what is deployed is stopped afterwards."""
    async with stopped(tmp_path / "deployments"):
        yield tmp_path


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_unless_allowed_an_assistant_only_looks(folder: Path, transport: Transport) -> None:
    """Every tool says that it reads only; each answers, of targets that the operator has opened."""
    configure(folder, apply=False)
    async with client(folder, transport) as server:
        tools = (await server.list_tools()).tools
        assert {tool.name for tool in tools} == LOOKING
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        assert all(tool.output_schema and tool.description for tool in tools)

        assert (await ask(server, "recommend", answers=ANSWERS))["best"] == "on_premise_single"
        assert "GDPR" in (await ask(server, "explain", answers=ANSWERS))["text"]
        assert [each["name"] for each in (await ask(server, "targets"))["result"]] == ["shop"]
        assert (await ask(server, "status", target="shop"))["stable"] is None
        assert (await ask(server, "history", target="shop"))["total"] == 0
        assert (await ask(server, "validate", target="shop"))["text"]
        proposal = await ask(server, "plan", target="shop")
        assert proposal["changes"]
        assert not (await ask(server, "health", target="shop"))["good"]

        assert "no target 'other'" in await refused(server, "status", target="other")
        assert "within the configuration's folder" in await refused(
            server, "check_compose", files=["../../etc/passwd"]
        )
        assert "no rollout" in await refused(server, "rollout", target="shop", rollout="none")
        assert "limit" in await refused(server, "history", target="shop", limit=1_000_000)
        assert "Unknown tool" in await refused(server, "apply_plan", digest=proposal["digest"])
    assert not (folder / "deployments" / "envoy").exists()


@pytest.mark.docker
async def test_a_compose_file_is_judged(folder: Path, docker_engine: str) -> None:
    """By Docker's own Compose, from within the configuration's folder only."""
    assert docker_engine
    configure(folder, apply=False)
    (folder / "compose.yaml").write_text("services:\n  web:\n    image: nginx:1.29\n")
    async with client(folder, "stdio") as server:
        assert "web" in (await ask(server, "check_compose", files=["compose.yaml"]))["text"]


async def test_an_approved_plan_is_applied_once(folder: Path) -> None:
    """Without a person nothing moves; with one, exactly this plan, and it is followed to its end by its id."""
    configure(folder, apply=True)
    async with client(folder, "stdio") as server:
        digest = (await ask(server, "plan", target="shop"))["digest"]
        assert "not approved" in await refused(server, "apply_plan", digest=digest)
        assert "no plan" in await refused(server, "apply_plan", digest="0" * 64)
        assert "64 hexadecimal" in await refused(server, "apply_plan", digest="../../etc/passwd")

        assert "First deploy of shop/production" in await anyio.to_thread.run_sync(approve, folder, digest)
        begun = await ask(server, "apply_plan", digest=digest)
        assert "@" in begun["approved_by"]
        assert "not approved" in await refused(server, "apply_plan", digest=digest)

        asked = {"target": "shop", "rollout": begun["rollout"], "limit": 5}
        told = await ask(server, "rollout", **asked)
        with anyio.fail_after(120):
            while not told["rollout"]["outcome"] or told["more"]:
                await anyio.sleep(0.1)
                told = await ask(server, "rollout", **asked, after=told["after"])
        assert told["rollout"]["outcome"] == "promoted"
        assert (await ask(server, "health", target="shop"))["good"]


async def test_nobody_approves_without_a_terminal(folder: Path) -> None:
    """Neither a pipe nor an option stands for a person."""
    configure(folder, apply=True)
    async with client(folder, "stdio") as server:
        digest = (await ask(server, "plan", target="shop"))["digest"]

    command = [sys.executable, "-m", "fairdeploy", "approve-plan", digest]
    said = await anyio.run_process(command, cwd=folder, input=b"shop\n", check=False)

    assert said.returncode == 5
    assert b"a person approves" in said.stderr
    assert not Approvals(folder / "fairdeploy.toml").path(digest, "approved").exists()


@pytest.mark.parametrize(("age", "target"), [(3_601, "shop"), (-60, "shop"), (1, "other")])
def test_an_approval_is_for_an_hour_and_one_target(tmp_path: Path, age: int, target: str) -> None:
    """Later the person may think otherwise; and a clock that was set back makes nothing young again."""
    approvals = Approvals(tmp_path / "fairdeploy.toml")
    digest = "0" * 64
    approvals.path(digest).parent.mkdir(parents=True)
    approvals.approve(digest, "shop", by="somebody")
    written = json.loads(approvals.path(digest, "approved").read_text())
    written["at_ms"] = int((time.time() - age) * 1000)
    approvals.path(digest, "approved").write_text(json.dumps(written))

    with pytest.raises(Refused, match="over an hour old, or for something else"):
        approvals.use(digest, target)


def test_the_notes_for_coding_assistants_are_in_the_package() -> None:
    """Their code compiles, and every name that it imports is there."""
    text = files("fairdeploy").joinpath(".agents/skills/fairdeploy/SKILL.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)

    assert code
    for each in code:
        exec(compile(each, "SKILL.md", "exec"), {"__name__": "notes"})  # noqa: S102 -- our own page
