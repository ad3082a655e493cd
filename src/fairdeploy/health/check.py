"""Run a check of a plan once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

import anyio
import anyio.to_thread

from fairdeploy.health.command import ask_command
from fairdeploy.health.finding import summary, unclear
from fairdeploy.health.tcp import ask_tcp
from fairdeploy.model import CheckResult, CommandCheck, HTTPCheck, TCPCheck, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.health.finding import Finding
    from fairdeploy.model import Instance
    from fairdeploy.protocols import Subject

    Question: TypeAlias = Callable[[], Awaitable[Finding]]

__all__ = ["run_check"]

_AT_ONCE = 32


class _Asks(Protocol):
    """Puts one question to one address."""

    async def __call__(self, asked: str, address: str | None) -> Finding:
        """Return what was found."""
        ...


async def run_check(check: HTTPCheck | TCPCheck | CommandCheck, subject: Subject) -> CheckResult:
    """Ask every instance of the subject, or, with scope ``shared``, the address of the check.

    At most 32 questions are under way at once, each for the check's ``timeout_ms`` at the most.

    Returns:
        ``pass`` if every answer is good. ``fail`` if one is not, or does not come in time, or
        the connection is refused. ``error`` where the question could not be put: an instance
        without an address, a name that does not resolve, a missing program.
    """
    questions = await _questions(check, subject)
    if not questions:
        return CheckResult(Verdict.FAIL, f"revision {subject.revision!r} has no instance to ask")
    findings: list[Finding | None] = [None] * len(questions)
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def put(place: int, question: Question) -> None:
        async with limit:
            try:
                findings[place] = await question()
            except Exception as error:  # noqa: BLE001 -- whatever a library trips over is no evidence
                findings[place] = unclear("", f"the check could not be made: {type(error).__name__}: {error}")

    async with anyio.create_task_group() as tasks:
        for place, question in enumerate(questions):
            tasks.start_soon(put, place, question)
    return summary([finding for finding in findings if finding is not None])


async def _questions(check: HTTPCheck | TCPCheck | CommandCheck, subject: Subject) -> list[Question]:
    match check:
        case HTTPCheck():
            return await _http_questions(check, subject)
        case TCPCheck():

            async def tcp(asked: str, address: str | None) -> Finding:
                return await ask_tcp(asked, address or "", check.timeout_ms)

            if check.address is not None:
                return [_question(tcp, check.address, check.address)]
            return [_of(tcp, instance, addressed=True) for instance in subject.instances]
        case CommandCheck():

            async def run(asked: str, address: str | None) -> Finding:
                return await ask_command(asked, tuple(check.command), address, check.timeout_ms)

            if check.scope == "shared":
                return [_question(run, f"command {check.command[0]!r}", None)]
            addressed = any("{address}" in word for word in check.command)
            return [_of(run, instance, addressed=addressed) for instance in subject.instances]
        case _:
            assert_never(check)


async def _http_questions(check: HTTPCheck, subject: Subject) -> list[Question]:
    # httpx takes some 100 ms to import: in a thread, and only where it is asked for.
    ask_http = await anyio.to_thread.run_sync(_import_http)

    def path_of(path: str) -> _Asks:
        async def ask(asked: str, address: str | None) -> Finding:
            return await ask_http(check, asked, address, path)

        return ask

    if check.scope == "shared":
        return [_question(path_of(url), url, None) for url in check.paths]
    return [
        _of(path_of(path), instance, addressed=True) for instance in subject.instances for path in check.paths
    ]


class _AsksHTTP(Protocol):
    async def __call__(self, check: HTTPCheck, asked: str, address: str | None, path: str) -> Finding: ...


def _import_http() -> _AsksHTTP:
    from fairdeploy.health._http import ask_http  # noqa: PLC0415 -- see where it is called

    return ask_http


def _question(ask: _Asks, asked: str, address: str | None) -> Question:
    return lambda: ask(asked, address)


def _of(ask: _Asks, instance: Instance, *, addressed: bool) -> Question:
    """Return the question to an instance; without an address that it needs, it cannot be put."""
    asked = f"instance {instance.id!r}"
    if addressed and instance.address is None:

        async def nobody() -> Finding:
            return unclear(asked, f"{asked} has no address to ask: use a CommandCheck without {{address}}")

        return nobody
    return _question(ask, asked, instance.address)
