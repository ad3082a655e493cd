"""Start a throw-away instance, ask it, and tell it to stop: what a rollout would find out too late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeAlias

import anyio

from fairdeploy.model import Aspect, Capability, Finding, HTTPProbe, Severity
from fairdeploy.preflight.drain import Replica, drained, kept
from fairdeploy.validation import idle, stop

if TYPE_CHECKING:
    from fairdeploy.protocols import Scene

__all__ = ["Replica", "Start", "rehearsed"]

Start: TypeAlias = Callable[[], AbstractAsyncContextManager[Replica]]
"""Starts a throw-away instance, and sees to it that nothing of it is left."""

_READY_WITHIN = 15.0
"""Seconds that a trial instance may take to become ready. A slower one is a warning: the rollout has its own, longer
deadline, and a release that never gets ready should not be waited for twice."""
_LONGEST_IDLE_MS = 5_000
_ASK = 0.05


async def rehearsed(scene: Scene, start: Start, *, router_idle_ms: int | None = None) -> Sequence[Finding]:
    """Rehearse a release's life in small: start, probe, load, stop.

    Args:
        scene: What is to run, and where.
        start: Starts the instance.
        router_idle_ms: How long the router keeps idle connections; ``None``: it is not known, and not compared.

    Returns:
        Findings on readiness, keep-alive, the drain and the memory that one copy took, and nothing where
        there is nothing to ask (a worker) or nothing may run beside what is there.
    """
    release = scene.release
    if not scene.rehearse or not release.serves:
        return ()
    probe = release.probes.readiness
    asked = scene.path or (probe.path if isinstance(probe, HTTPProbe) else "/")
    async with start() as replica:
        began = anyio.current_time()
        bad = await _ready(replica, scene)
        if bad is not None:
            return (bad,)
        ready_ms = round((anyio.current_time() - began) * 1000)
        findings = [_good(scene, ready_ms, replica)]
        if router_idle_ms is not None and router_idle_ms <= _LONGEST_IDLE_MS:
            try:
                seen = await kept(replica, asked, router_idle_ms)
            except OSError as error:
                return (*findings, _silent(scene, asked, error))
            findings += [idle(seen)] if seen is not None else []
        stopped = await drained(replica, release, asked)
    return (*findings, *stop(stopped, counted=Capability.DRAIN_COUNTED in scene.backend.capabilities))


async def _ready(replica: Replica, scene: Scene) -> Finding | None:
    """Wait until it is ready; return what is wrong if it does not get so."""
    last = ["no connection"]
    code: list[int | None] = []
    with anyio.move_on_after(_READY_WITHIN):
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                code.append(await replica.ended())
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            while True:
                last[0] = await _asked(replica, scene)
                if not last[0]:
                    tasks.cancel_scope.cancel()
                    break
                await anyio.sleep(_ASK)
        if not last[0]:
            return None
        said = "; ".join(replica.last_words()[-3:])
        return Finding(
            "readiness",
            aspect=Aspect.CAPACITY,
            severity=Severity.CRITICAL,
            passed=False,
            message=f"a trial instance of {scene.release.version!r} ended with status {code[0] if code else None} "
            f"before it was ready" + (f": {said}" if said else ""),
            remedy="start it by hand with the same command and environment, and mend what it says",
        )
    return Finding(
        "readiness",
        aspect=Aspect.CAPACITY,
        severity=Severity.WARNING,
        passed=False,
        message=f"a trial instance of {scene.release.version!r} was not ready within {_READY_WITHIN:g} s: {last[0]}",
        remedy="see that it answers its probe, or leave the trial out with without={'rehearsal'}",
    )


async def _asked(replica: Replica, scene: Scene) -> str:
    """Ask once; return why it is not ready, or nothing."""
    from fairdeploy.preflight._wire import visitor  # noqa: PLC0415 -- with its library

    probe = scene.release.probes.readiness
    seconds = 2.0 if probe is None else probe.timeout_ms / 1000
    try:
        with anyio.fail_after(seconds):
            async with visitor(replica.address) as connection:
                if not isinstance(probe, HTTPProbe):
                    return ""  # a command's word is asked by the backend itself, during the rollout
                status = (await connection.get(probe.path)).status
                return "" if 200 <= status < 400 else f"GET {probe.path} answered {status}"
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__


def _good(scene: Scene, ready_ms: int, replica: Replica) -> Finding:
    taken = replica.memory()
    used = f", with {taken / 1_048_576:.0f} MiB of memory" if taken else ""
    return Finding(
        "readiness",
        aspect=Aspect.CAPACITY,
        severity=Severity.CRITICAL,
        passed=True,
        message=f"a trial instance of {scene.release.version!r} was ready after {ready_ms} ms{used}",
        evidence={"ready_ms": ready_ms, "memory": taken},
    )


def _silent(scene: Scene, path: str, error: OSError) -> Finding:
    return Finding(
        "keep-alive",
        aspect=Aspect.CAPACITY,
        severity=Severity.WARNING,
        passed=False,
        message=f"a trial instance of {scene.release.version!r} gave no whole answer to GET {path}: "
        f"{str(error) or type(error).__name__}",
        remedy="see that it speaks HTTP/1.1 there",
    )
