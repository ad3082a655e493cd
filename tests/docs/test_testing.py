"""The page on testing runs: every block of Python in it, in order, as a program of its own would run them."""

from __future__ import annotations

import anyio
import pytest

from tests.docs.test_guide import blocks
from tests.ports import free_port

pytestmark = [pytest.mark.load, pytest.mark.timeout(400)]


async def listening(port: int) -> None:
    """Wait until somebody listens on a port of the loopback address."""
    with anyio.fail_after(100):
        while True:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    return
            except OSError:
                await anyio.sleep(0.05)


def test_the_page_on_testing_runs() -> None:
    """Each block is run once, in the order of the page; what it asserts holds."""
    names: dict[str, object] = {"__name__": "testing", "port": free_port(), "listening": listening}
    for line, code in blocks("docs/testing.md"):
        # Blank lines in front, so that a traceback names the page's own lines.
        exec(compile("\n" * (line - 1) + code, "docs/testing.md", "exec", dont_inherit=True), names)  # noqa: S102 -- our own page
