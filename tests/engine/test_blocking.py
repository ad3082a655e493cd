"""The door for programs that do not await."""

from __future__ import annotations

import os
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

import fairdeploy
from fairdeploy import InvalidInput, Outcome, Recreate, Release, RollbackError, Target
from fairdeploy.errors import Refused
from fairdeploy.testing.simulation import SimulatedBackend, World

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from fairdeploy import BlockingDeployer

TARGET = Target("shop", endpoint="127.0.0.1:8080")


@asynccontextmanager
async def simulated(world: World) -> AsyncGenerator[SimulatedBackend]:
    """Open a backend in memory."""
    yield SimulatedBackend(world)


@pytest.fixture
def deployer() -> Iterator[BlockingDeployer]:
    """Give a deployer to a program that does not await."""
    with fairdeploy.blocking(partial(simulated, World())) as found:
        yield found


def release(version: str) -> Release:
    """Name something that runs."""
    return Release(version, command=["serve", "--port", "{port}"])


def test_a_program_that_does_not_await_deploys_and_goes_back(deployer: BlockingDeployer) -> None:
    """The verbs are those of the deployer, and so are their results."""
    first = deployer.deploy(TARGET, release("1"), Recreate())
    second = deployer.run(deployer.plan(TARGET, release("2"), Recreate()))
    back = deployer.rollback(TARGET)

    assert [each.outcome for each in (first, second, back)] == [Outcome.PROMOTED] * 3
    assert str(deployer.status(TARGET).deployment.stable).startswith("1-")
    assert [event.record.kind for event in deployer.events(second.rollout)][-1] == "ended"
    assert deployer.recover() == ()
    assert deployer.abort(TARGET) is None


def test_errors_are_those_of_the_deployer(deployer: BlockingDeployer) -> None:
    """Nothing is wrapped on its way through the door."""
    deployer.deploy(TARGET, release("1"), Recreate())

    with pytest.raises(RollbackError):
        deployer.rollback(TARGET)


def test_any_thread_may_call(deployer: BlockingDeployer) -> None:
    """A server's threads share one deployer."""
    deployer.deploy(TARGET, release("1"), Recreate())
    seen: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: seen.append(deployer.status(TARGET).deployment.stable))
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(seen) == 8
    assert len(set(seen)) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # forking is what it is about
def test_a_forked_child_is_told_rather_than_left_to_hang(deployer: BlockingDeployer) -> None:
    """The loop's thread stayed with the parent."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            deployer.status(TARGET)
        except Refused as error:
            said = str(error)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.waitpid(child, 0)

    assert "before the process forked" in os.read(reading, 1_000).decode()


def test_a_call_after_the_end_is_refused() -> None:
    """What was opened was closed with the block."""
    with fairdeploy.blocking(partial(simulated, World())) as deployer:
        pass

    with pytest.raises(Refused, match="inside the with block"):
        deployer.status(TARGET)


def test_a_backend_that_nobody_opens_is_named() -> None:
    """The error is the one that an asynchronous program gets."""
    with pytest.raises(InvalidInput, match="'nowhere'"), fairdeploy.blocking("nowhere://x"):
        pytest.fail("it must not open")


@pytest.mark.anyio
async def test_a_program_that_awaits_elsewhere_can_use_the_door_from_a_thread() -> None:
    """As in a view that a server runs in its pool of threads."""

    def view() -> str | None:
        with fairdeploy.blocking(partial(simulated, World())) as deployer:
            return deployer.deploy(TARGET, release("1"), Recreate()).outcome

    with anyio.fail_after(30):
        assert await anyio.to_thread.run_sync(view) == Outcome.PROMOTED
