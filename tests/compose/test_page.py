"""What the page about Compose shows is run as it stands, but for names of images and a port."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.backends.local import open_keeper
from tests.compose.stage import project
from tests.contracts import source
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(300)]

PAGE = source.ROOT / "docs" / "compose.md"


def block(kind: str) -> str:
    """Return the first block of a kind."""
    found = re.search(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_page_is_true(application_image: str, tmp_path: Path) -> None:
    """The file is accepted, and the program deploys."""
    text = block("yaml").replace("shop:1.3", application_image)
    code = block("python").replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    code = code.replace("shop:1.4", application_image)
    with project(text) as made:
        try:
            with anyio.fail_after(200):
                ran = await anyio.run_process([sys.executable, "-c", code], check=False, cwd=made.folder)
        finally:
            await open_keeper(made.folder / ".fairdeploy" / "keeper").shutdown()
        assert ran.returncode == 0, ran.stderr.decode()
        assert b"promoted" in ran.stdout
        assert len(made.containers("status=running")) == 2
