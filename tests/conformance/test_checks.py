"""Our checks keep the contract that we ask of others."""

from __future__ import annotations

import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fairdeploy.health import run_check
from fairdeploy.model import Asked, CommandCheck, HTTPCheck, Instance, Target, TCPCheck, any_of
from fairdeploy.protocols import HealthCheck, Subject
from fairdeploy.testing.conformance import HealthCheckConformance, Subjects, loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.testing.conformance import Condition

ASKING = """
import socket, sys
host, _, port = sys.argv[1].rpartition(":")
with socket.create_connection((host, int(port))) as asked:
    asked.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
    sys.exit(b"200" not in asked.recv(100))
"""


@asynccontextmanager
async def bring_about(condition: Condition) -> AsyncIterator[Subject]:
    """Run an instance in a condition."""
    async with AsyncExitStack() as stack:
        address = await _address(stack, condition)
        instance = Instance("one", revision="r", address=address, ready=True)
        yield Subject(target=Target("shop"), revision="r", instances=(instance,))


async def _address(stack: AsyncExitStack, condition: Condition) -> str | None:
    visitors = await stack.enter_async_context(loopback())
    match condition:
        case "well":
            return (await visitors.instance("r")).address
        case "unwell":
            return (await visitors.nobody("r")).address
        case "silent":
            return "{}:{}".format(*_deaf(stack).getsockname())
        case _:
            return None


def _deaf(stack: AsyncExitStack) -> socket.socket:
    """Listen with a queue that is full: whoever connects hears nothing."""
    listening = stack.enter_context(socket.socket())
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    for _ in range(2):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)  # noqa: FBT003 -- of the socket module
        waiting.connect_ex(listening.getsockname())
    return listening


class _BuiltIn(HealthCheckConformance):
    """What the checks that come with the package have in common."""

    @staticmethod
    def asked(limit: int) -> Asked:
        """Make the check, by its time limit in milliseconds."""
        raise NotImplementedError(limit)

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        """Run on both event loops."""
        return str(request.param)

    @pytest.fixture
    def check(self, request: pytest.FixtureRequest) -> HealthCheck:
        """Give the check as a callable: short of patience only where nobody answers, as a slow machine answers late."""
        silence = request.node.originalname == "test_silence_ends_in_time_and_never_passes"
        return partial(run_check, self.asked(1_000 if silence else 15_000))

    @pytest.fixture
    def subjects(self) -> Subjects:
        """Give an instance in any condition."""
        return bring_about


class TestHTTP(_BuiltIn):
    """`HTTPCheck`."""

    @staticmethod
    def asked(limit: int) -> Asked:
        """See there."""
        return HTTPCheck("/", timeout_ms=limit)


class TestTCP(_BuiltIn):
    """`TCPCheck`."""

    @staticmethod
    def asked(limit: int) -> Asked:
        """See there."""
        return TCPCheck(timeout_ms=limit)


class TestQuorum(_BuiltIn):
    """`Quorum`, of both."""

    @staticmethod
    def asked(limit: int) -> Asked:
        """See there."""
        return any_of(
            HTTPCheck("/", timeout_ms=limit), HTTPCheck("/else", status=(599, 599), timeout_ms=limit)
        )


class TestCommand(_BuiltIn):
    """`CommandCheck`."""

    @staticmethod
    def asked(limit: int) -> Asked:
        """See there."""
        return CommandCheck((sys.executable, "-I", "-S", "-c", ASKING, "{address}"), timeout_ms=limit)
