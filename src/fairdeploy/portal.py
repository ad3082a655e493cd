"""The door for programs that do not await: Flask and Django views, workers, scripts, notebooks.

One event loop in one thread of its own, and the few verbs that such programs need. What an asynchronous program
can do beyond them, it does with `Deployer`; there is no twin of it here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, final

from anyio.from_thread import start_blocking_portal

from fairdeploy.engine import Deployer
from fairdeploy.errors import Refused
from fairdeploy.guard.opening import open_backend

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from fairdeploy.engine import Rollout, Status
    from fairdeploy.model import Check, Event, Plan, Release, RolloutId, RolloutResult, Target
    from fairdeploy.protocols import Backend, HealthCheck, MetricSource, Strategy

__all__ = ["BlockingDeployer", "blocking"]

T = TypeVar("T")


@final
class BlockingDeployer:
    """What `blocking` gives. Any thread may call it, several at once; a child that was forked off may not."""

    def __init__(self, portal: BlockingPortal, deployer: Deployer) -> None:
        self._portal = portal
        self._deployer = deployer
        self._pid = os.getpid()

    def plan(self, target: Target, release: Release, strategy: Strategy) -> Plan:
        """Return what a strategy would do; see `Deployer.plan`."""
        return self._call(lambda: self._deployer.plan(target, release, strategy))

    def run(self, plan: Plan) -> RolloutResult:
        """Run a plan to its end, and return how it ended: a rollback is a result; see `Deployer.run`.

        An exception in the calling thread, such as Ctrl-C, sends it back first.
        """

        async def run() -> RolloutResult:
            async with self._deployer.run(plan) as rollout:
                return await rollout.result()

        return self._call(run)

    def deploy(self, target: Target, release: Release, strategy: Strategy) -> RolloutResult:
        """Plan, validate, run and wait; see `Deployer.deploy`."""
        return self._call(lambda: self._deployer.deploy(target, release, strategy))

    def rollback(self, target: Target, *, to: str | None = None, reason: str = "") -> RolloutResult:
        """Go back to a verified revision; see `Deployer.rollback`."""
        return self._call(lambda: self._deployer.rollback(target, to=to, reason=reason))

    def abort(self, target: Target, *, reason: str = "") -> RolloutResult | None:
        """Send back whatever rollout acts on a target; see `Deployer.abort`."""
        return self._call(lambda: self._deployer.abort(target, reason=reason))

    def recover(self) -> tuple[RolloutResult, ...]:
        """Bring what dead programs left to an end; see `Deployer.recover`."""
        return self._call(self._deployer.recover)

    def status(self, target: Target) -> Status:
        """Return what a target looks like now; see `Deployer.status`."""
        return self._call(lambda: self._deployer.status(target))

    def events(self, rollout: RolloutId, *, since: int = 0) -> Iterator[Event]:
        """Return the events of a rollout that anybody runs or ran, until it has ended; see `Rollout.events`."""
        found: Rollout = self._call(lambda: self._deployer.attach(rollout))
        events = found.events(since=since)
        while (event := self._call(lambda: anext(events, None))) is not None:
            yield event

    def _call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if os.getpid() != self._pid:
            raise Refused(
                "this deployer was opened before the process forked, and its loop stayed with the parent: "
                "open one with fairdeploy.blocking() after the fork, such as in gunicorn's post_fork"
            )
        try:
            running = self._portal.start_task_soon(work)
        except RuntimeError as error:
            raise Refused(
                f"a blocking call cannot be made here ({error}): in an event loop, await Deployer's own; "
                "elsewhere, keep it inside the with block"
            ) from error
        try:
            result: T = running.result()
        except BaseException:
            running.cancel()  # the calling thread was interrupted: what it began goes back
            raise
        return result


@contextmanager
def blocking(
    backend: str | Callable[[], AbstractAsyncContextManager[Backend]],
    *,
    checks: Mapping[str, Check | HealthCheck] | None = None,
    sources: Mapping[str, MetricSource] | None = None,
) -> Iterator[BlockingDeployer]:
    """Open a backend and give the verbs of a deployer to a program that does not await.

    Leaving waits until what was begun has gone on to its end or back. Not to be kept across a fork.

    Args:
        backend: A URI as in `Backend.uri`, or what opens one: ``lambda: LocalBackend.open("deployments")``.
        checks: As `Deployer` takes them.
        sources: As `Deployer` takes them.

    Yields:
        The deployer.

    Raises:
        InvalidInput: If no installed package opens the URI.

    Example:
        >>> with fairdeploy.blocking("local:///srv/deployments") as deployer:  # doctest: +SKIP
        ...     result = deployer.deploy(target, release, Canary())
    """

    def opened() -> AbstractAsyncContextManager[Backend]:
        return open_backend(backend, guard=True) if isinstance(backend, str) else backend()

    with (
        start_blocking_portal(name="fairdeploy") as portal,
        portal.wrap_async_context_manager(portal.call(opened)) as opened_backend,
    ):
        yield BlockingDeployer(portal, Deployer(opened_backend, checks=checks, sources=sources))
