"""Ask a check once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

import anyio

from fairdeploy.errors import MissingDependency, Unbound
from fairdeploy.health import libraries
from fairdeploy.health.command import ask_command
from fairdeploy.health.finding import summary, unclear
from fairdeploy.health.quorum import counted
from fairdeploy.health.secrets import revealed
from fairdeploy.health.storage import ask_folder
from fairdeploy.health.tcp import ask_tcp
from fairdeploy.model import (
    BoundCheck,
    CheckResult,
    CommandCheck,
    HTTPCheck,
    OIDCCheck,
    PostgresCheck,
    PrometheusCheck,
    Quorum,
    StorageCheck,
    TCPCheck,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.health.finding import Finding
    from fairdeploy.health.secrets import Secrets
    from fairdeploy.model import Asked, Instance
    from fairdeploy.protocols import HealthCheck, Subject

    Question: TypeAlias = Callable[[], Awaitable[Finding]]
    Single: TypeAlias = (
        HTTPCheck | TCPCheck | CommandCheck | PostgresCheck | OIDCCheck | StorageCheck | PrometheusCheck
    )

__all__ = ["fault", "run_check"]

_AT_ONCE = 32


class _Asks(Protocol):
    """Puts one question to one address."""

    async def __call__(self, asked: str, address: str | None) -> Finding:
        """Return what was found."""
        ...


async def run_check(
    check: Asked, subject: Subject, *, bound: Mapping[str, HealthCheck] | None = None
) -> CheckResult:
    """Ask every instance of the subject, or, with scope ``shared``, the address of the check.

    At most 32 questions of a check are under way at once, each for its ``timeout_ms`` at the most.
    No secret of the check is in what it says.

    Args:
        check: What is asked.
        subject: About what.
        bound: Callables by the names that a `model.BoundCheck` gives.

    Returns:
        ``pass`` if every answer is good. ``fail`` if one is not, or does not come in time, or
        the connection is refused. ``error`` where the question could not be put: an instance
        without an address, a name that does not resolve, a missing program, extra or secret.
        ``no_data`` where there is nothing to know yet.

    Raises:
        Unbound: If the check is a callable that was not given; what the callable raises.
    """
    if isinstance(check, Quorum):
        return await _counted(check, subject, bound)
    if isinstance(check, BoundCheck):
        return await _called(check, subject, bound or {})
    try:
        secrets = await revealed(check)
        questions = await _questions(check, subject, secrets)
    except (Unbound, MissingDependency) as error:
        return CheckResult(Verdict.ERROR, str(error))
    if not questions:
        return CheckResult(Verdict.FAIL, f"revision {subject.revision!r} has no instance to ask")
    return await _put(questions, secrets)


def fault(error: Exception) -> CheckResult:
    """Return what a check that raised has found: nothing, so neither a pass nor a fail."""
    return CheckResult(Verdict.ERROR, f"the check could not be made: {type(error).__name__}: {error}")


async def _put(questions: list[Question], secrets: Secrets) -> CheckResult:
    findings: list[Finding | None] = [None] * len(questions)
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def put(place: int, question: Question) -> None:
        async with limit:
            try:
                found = await question()
            except Exception as error:  # noqa: BLE001 -- whatever a library trips over is no evidence
                found = unclear("", f"the check could not be made: {type(error).__name__}: {error}")
            findings[place] = secrets.hide(found)

    async with anyio.create_task_group() as tasks:
        for place, question in enumerate(questions):
            tasks.start_soon(put, place, question)
    return summary([finding for finding in findings if finding is not None])


async def _counted(check: Quorum, subject: Subject, bound: Mapping[str, HealthCheck] | None) -> CheckResult:
    results: dict[int, CheckResult] = {}

    async def ask(place: int, part: Asked) -> None:
        try:
            results[place] = await run_check(part, subject, bound=bound)
        except Exception as error:  # noqa: BLE001 -- a callable is anybody's code: whatever it raises is no evidence
            results[place] = fault(error)

    async with anyio.create_task_group() as tasks:
        for place, part in enumerate(check.checks):
            tasks.start_soon(ask, place, part)
    return counted(check, [results[place] for place in range(len(check.checks))])


async def _called(check: BoundCheck, subject: Subject, bound: Mapping[str, HealthCheck]) -> CheckResult:
    called = bound.get(check.name)
    if called is None:
        raise Unbound(f"check {check.name!r} is not given: pass checks={{{check.name!r}: ...}}")
    return await called(subject)


async def _questions(check: Single, subject: Subject, secrets: Secrets) -> list[Question]:
    match check:
        case HTTPCheck():
            return await _http_questions(check, subject, secrets)
        case TCPCheck():
            return _tcp_questions(check, subject)
        case CommandCheck():
            return _command_questions(check, subject)
        case PostgresCheck():
            ask_postgres = await libraries.postgres()
            return [lambda: ask_postgres(check, secrets)]
        case OIDCCheck():
            ask_oidc = await libraries.oidc()
            return [lambda: ask_oidc(check, secrets)]
        case PrometheusCheck():
            ask_prometheus = await libraries.prometheus()
            return [lambda: ask_prometheus(check, secrets, subject)]
        case StorageCheck(in_bucket=True):
            ask_bucket = await libraries.s3()
            return [lambda: ask_bucket(check, secrets)]
        case StorageCheck():
            return [lambda: ask_folder(check)]
        case _:
            assert_never(check)


async def _http_questions(check: HTTPCheck, subject: Subject, secrets: Secrets) -> list[Question]:
    ask_http = await libraries.http()

    def path_of(path: str) -> _Asks:
        async def ask(asked: str, address: str | None) -> Finding:
            return await ask_http(check, secrets, asked, address, path)

        return ask

    if check.scope == "shared":
        return [_question(path_of(url), url, None) for url in check.paths]
    return [
        _of(path_of(path), instance, addressed=True) for instance in subject.instances for path in check.paths
    ]


def _tcp_questions(check: TCPCheck, subject: Subject) -> list[Question]:
    async def ask(asked: str, address: str | None) -> Finding:
        return await ask_tcp(asked, address or "", check.timeout_ms)

    if check.address is not None:
        return [_question(ask, check.address, check.address)]
    return [_of(ask, instance, addressed=True) for instance in subject.instances]


def _command_questions(check: CommandCheck, subject: Subject) -> list[Question]:
    async def ask(asked: str, address: str | None) -> Finding:
        return await ask_command(check, asked, address)

    if check.scope == "shared":
        return [_question(ask, f"command {check.command[0]!r}", None)]
    addressed = any("{address}" in word for word in check.command)
    return [_of(ask, instance, addressed=addressed) for instance in subject.instances]


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
