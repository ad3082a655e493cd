from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import anyio.abc
import pytest

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    Aspect,
    CheckResult,
    Finding,
    HTTPCheck,
    Release,
    SecretRef,
    Severity,
    Target,
    TCPCheck,
    Verdict,
)
from fairdeploy.preflight import DeploymentValidator, clock, reachable, schema_version
from fairdeploy.protocols import Scene, Subject, Validation
from fairdeploy.strategies import BlueGreen
from fairdeploy.testing.simulation import SimulatedBackend
from tests.ports import free_port

pytestmark = pytest.mark.anyio

SHOP = Target("shop", endpoint="127.0.0.1:8080")
ONE = Release("1", command=["serve", "{port}"])
SWITCH = BlueGreen(watch=0, keep_warm=0, preview_header=None)


def validator(*more: Validation, release: Release = ONE, without: Sequence[str] = ()) -> DeploymentValidator:
    """Return a validator of a simulated backend."""
    return DeploymentValidator(SimulatedBackend(), SHOP, release, validations=more, without=without)


def named(findings: Sequence[Finding]) -> dict[str, Finding]:
    """Return findings by name."""
    return {finding.name: finding for finding in findings}


async def test_an_environment_picks_its_target() -> None:
    """As in the seed: `validate_deployment(environment)`."""
    both = [SHOP, Target("shop", environment="staging", endpoint="127.0.0.1:8081")]
    many = DeploymentValidator(SimulatedBackend(), both, ONE)
    assert (await many.validate_deployment("staging")).target == "shop/staging"
    with pytest.raises(InvalidInput, match=r"environment 'test'; known are \['production', 'staging'\]"):
        await many.validate_deployment("test")
    with pytest.raises(InvalidInput, match="environment None"):
        await many.validate_deployment()


BAD: dict[str, Callable[[], object]] = {
    "no target": lambda: DeploymentValidator(SimulatedBackend(), [], ONE),
    "two of one environment": lambda: DeploymentValidator(SimulatedBackend(), [SHOP, SHOP], ONE),
    "a name": lambda: DeploymentValidator(SimulatedBackend(), ["shop"], ONE),  # type: ignore[list-item]  # the point
    "a version": lambda: DeploymentValidator(SimulatedBackend(), SHOP, "1"),  # type: ignore[arg-type]  # the point
    "one name": lambda: DeploymentValidator(SimulatedBackend(), SHOP, ONE, without="disk"),
    "no path": lambda: DeploymentValidator(SimulatedBackend(), SHOP, ONE, path="slow"),
    "instances": lambda: reachable("db", HTTPCheck("/health")),
    "an address": lambda: reachable("db", "127.0.0.1:5432"),  # type: ignore[arg-type]  # the point
    "no function": lambda: schema_version("12", "12"),  # type: ignore[arg-type]  # the point
    "no URL": lambda: clock("ntp.example"),
    "no tolerance": lambda: clock("https://example.org", tolerance=0),
}


@pytest.mark.parametrize("build", BAD.values(), ids=BAD)
async def test_bad_input_is_refused_at_once(build: Callable[[], object]) -> None:
    """Before anything is looked at."""
    with pytest.raises(InvalidInput):
        build()


async def test_a_critical_failure_stops_what_comes_after() -> None:
    """Everything of its own aspect is still told, as it was looked at at the same time; later aspects are not."""
    looked: list[str] = []

    def probe(name: str, aspect: Aspect, *, passed: bool) -> Validation:
        async def look(_: Scene) -> Sequence[Finding]:
            looked.append(name)
            return [
                Finding(
                    name,
                    aspect=aspect,
                    severity=Severity.CRITICAL,
                    passed=passed,
                    message=name,
                    remedy="mend it",
                )
            ]

        return Validation(name, aspect=aspect, look=look)

    result = await validator(
        probe("late", Aspect.CAPACITY, passed=True),
        probe("bad", Aspect.DATABASE, passed=False),
        probe("beside", Aspect.DATABASE, passed=True),
        probe("early", Aspect.CONFIGURATION, passed=True),
    ).validate_deployment()
    assert sorted(looked) == ["bad", "beside", "early"]
    assert result.message == "Critical validation failed: bad"
    assert result.refused
    assert not result.passed


async def test_validations_of_one_aspect_run_at_once() -> None:
    """Each waits for the other: one after the other, they would wait for ever."""
    first, second = anyio.Event(), anyio.Event()

    def meeting(name: str, mine: anyio.Event, other: anyio.Event) -> Validation:
        async def look(_: Scene) -> Sequence[Finding]:
            mine.set()
            await other.wait()
            return ()

        return Validation(name, aspect=Aspect.DATABASE, look=look, deadline=90)

    meetings = meeting("a", first, second), meeting("b", second, first)
    assert (await validator(*meetings).validate_deployment(only={Aspect.DATABASE})).passed


@pytest.mark.parametrize("why", ["raises", "hangs", "lies"])
async def test_what_cannot_be_found_out_is_a_warning(why: str) -> None:
    """It says why, without what an exception may hold; the others are told all the same."""

    async def look(_: Scene) -> Sequence[Finding]:
        if why == "raises":
            raise RuntimeError("password=hunter2")
        if why == "hangs":
            await anyio.sleep_forever()
        return ["fine"]  # type: ignore[list-item]  # the point of the test

    broken = Validation("broken", aspect=Aspect.DATABASE, look=look, deadline=0.05)
    result = await validator(broken).validate_deployment(only={Aspect.DATABASE})
    (found,) = result.results
    assert (found.severity, found.passed) == (Severity.WARNING, False)
    assert "could not be found out" in found.message
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("variable", "value", "severity", "says"),
    [
        ("SHOP_A", None, Severity.CRITICAL, "is not set"),
        ("SHOP_B", "your-super-secret-and-long-postgres-password", Severity.CRITICAL, "is a placeholder"),
        ("SHOP_C", "tiny", Severity.WARNING, "fewer than 12 characters"),
        ("SHOP_D", "9f2c4be1d07a4c3f8e65aa10b7d3c921", Severity.CRITICAL, "is there"),
    ],
)
async def test_secrets_are_looked_at_and_never_shown(
    variable: str, value: str | None, severity: Severity, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, everybody's, short and good ones; no value in text, HTML or evidence."""
    if value is not None:
        monkeypatch.setenv(variable, value)
    release = Release("1", command=["serve", "{port}"], env={"DB_PASSWORD": SecretRef.env(variable)})
    result = await validator(release=release).validate_deployment(only={Aspect.SECRETS})
    (found,) = result.results
    assert found.severity is severity
    assert says in found.message
    shown = f"{result}{result._repr_html_()}{result!r}"
    assert value is None or value not in shown


async def test_whatever_can_be_asked_is_a_dependency() -> None:
    """A port that answers passes, one that does not is critical, and so is a callable that says so."""

    async def asked(subject: Subject) -> CheckResult:
        return CheckResult(Verdict.FAIL, f"{subject.target.app} has no rights")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = await validator(
            reachable("open", TCPCheck(f"127.0.0.1:{port}", scope="shared"), aspect=Aspect.DATABASE),
            reachable("closed", TCPCheck(f"127.0.0.1:{free_port()}", scope="shared"), aspect=Aspect.DATABASE),
            reachable("told", asked, aspect=Aspect.DATABASE),
        ).validate_deployment(only={Aspect.DATABASE})
    found = named(result.results)
    assert found["open"].passed
    assert found["closed"].refuses
    assert "shop has no rights" in found["told"].message


@pytest.mark.parametrize(
    ("has", "needs", "passed"),
    [("0042", "0042", True), (42, "42", True), ("0041", "0042", False), (None, "0042", False)],
)
async def test_the_schema_must_be_the_one_that_the_release_needs(
    has: str | int | None,
    needs: str,
    passed: bool,  # noqa: FBT001 -- pytest passes by name
) -> None:
    """Else the release would fail on its first query."""

    async def read() -> str | int | None:
        return has

    result = await validator(schema_version(read, needs)).validate_deployment(only={Aspect.DATABASE})
    assert result.results[0].passed is passed

    fitting = schema_version(read, lambda found: found >= "0041")
    result = await validator(fitting).validate_deployment(only={Aspect.DATABASE})
    assert result.results[0].passed is (has is not None)


@pytest.mark.parametrize(("off", "passed"), [(0.0, True), (60.0, False), (-60.0, False)])
async def test_a_clock_that_is_off_is_found(off: float, passed: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """Told by a function (a database's now(), say) and by the Date of a server."""

    async def there() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=off)

    async with served(
        lambda: f"{datetime.now(UTC) + timedelta(seconds=off):%a, %d %b %Y %H:%M:%S GMT}"
    ) as url:
        both = clock(there, name="database clock"), clock(url)
        result = await validator(*both).validate_deployment(only={Aspect.DEPENDENCIES})
    found = named(result.results)
    assert found["database clock"].passed is passed
    assert found["clock"].passed is passed


async def test_a_server_that_tells_no_time_is_a_warning() -> None:
    """It proves nothing about this clock."""
    async with served(lambda: "never") as url:
        result = await validator(clock(url)).validate_deployment(only={Aspect.DEPENDENCIES})
    assert "told no time" in named(result.results)["clock"].message
    assert not result.refused


@asynccontextmanager
async def served(date: Callable[[], str]) -> AsyncIterator[str]:
    """Serve one header."""

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            head = (
                f"HTTP/1.1 404 Not Found\r\ndate: {date()}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            await stream.send(head.encode())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        yield f"http://127.0.0.1:{port}/"
        tasks.cancel_scope.cancel()
