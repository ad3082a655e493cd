"""`HealthChecker`: everything at once, and what answers in a row count."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, strategies as st

from fairdeploy.errors import BackendError, InvalidInput
from fairdeploy.health import HealthChecker, HealthRule
from fairdeploy.health.standing import Standing
from fairdeploy.model import (
    BoundCheck,
    CheckResult,
    Deployment,
    ErrorRate,
    HTTPCheck,
    Instance,
    Revision,
    Target,
    TCPCheck,
    Verdict,
    all_of,
)
from fairdeploy.protocols import Subject
from fairdeploy.testing.clock import VirtualClock
from tests.engine.simulated import virtually
from tests.health.serving import NOBODY, answer, hang, served, subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.model import Asked, HealthStatus
    from fairdeploy.protocols import Backend, HealthCheck

FINE, BAD = CheckResult(Verdict.PASS, "fine"), CheckResult(Verdict.FAIL, "bad")


def saying(*results: CheckResult | Exception) -> HealthCheck:
    """Return a check that gives one answer after the other, and the last for ever."""
    told: Iterator[CheckResult | Exception] = iter(results)
    last: list[CheckResult | Exception] = []

    async def check(subject: Subject) -> CheckResult:
        last[:] = [next(told, *last)]
        if isinstance(last[0], Exception):
            raise last[0]
        return last[0]

    return check


async def well(subject: Subject) -> CheckResult:
    """Pass."""
    return FINE


async def _times(checker: HealthChecker, number: int, about: Subject = NOBODY) -> list[tuple[Verdict, str]]:
    found = [await checker.check_deployment_health(about) for _ in range(number)]
    return [(each.checks["it"].verdict, each.checks["it"].message) for each in found]


# All at once.


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_the_deployment_is_healthy_when_all_that_is_required_is() -> None:
    """Data and callables together; the status names each, knows its time zone, and reads as a table."""
    async with served({"/health": answer(), "/ready": answer(503)}) as site:
        checks: dict[str, Asked | HealthCheck | HealthRule] = {
            "api": HTTPCheck("/health"),
            "port": TCPCheck(),
            "mine": well,
            "ready": HealthRule(HTTPCheck("/ready"), required=False),
        }
        status = await HealthChecker(checks).check_deployment_health(subject(site.address))
        strict = await HealthChecker({**checks, "ready": HTTPCheck("/ready")}).check_deployment_health(
            subject(site.address)
        )

    assert (status.healthy, strict.healthy) == (True, False)
    assert list(status.checks) == ["api", "port", "mine", "ready"]
    assert status.timestamp.tzinfo is UTC
    assert all(isinstance(each.took_ms, int) for each in status.checks.values())
    said = [" ".join(line.split()) for line in str(status).splitlines()]
    assert said[0] == "Healthy: 1 of 4 checks not passed"
    assert said[1].startswith("! fail advisory: ready: instance 'i0' at /ready answered 503")
    assert any(line.startswith("✓ pass api: instance 'i0' at /health answered 200 (") for line in said)
    assert str(strict).startswith("Not healthy: 1 of 4 checks not passed")


def test_checks_are_asked_at_once_and_together_have_one_deadline() -> None:
    """A thousand that take a second take ten at 100 at once; who is not there by the end is an error."""

    async def slow(subject: Subject) -> CheckResult:
        await anyio.sleep(1)
        return FINE

    async def story() -> tuple[HealthStatus, float, HealthStatus]:
        begun = anyio.current_time()
        checker = HealthChecker({f"c{n}": slow for n in range(1_000)}, deadline=20, clock=VirtualClock())
        all_in_time = await checker.check_deployment_health(NOBODY)
        took = anyio.current_time() - begun
        hurried = HealthChecker({f"c{n}": slow for n in range(1_000)}, deadline=2.5, clock=VirtualClock())
        return all_in_time, took, await hurried.check_deployment_health(NOBODY)

    status, took, some = virtually(story)

    assert (status.healthy, len(status.checks), took) == (True, 1_000, 10.0)
    late = [each for each in some.checks.values() if each.verdict is Verdict.ERROR]
    assert (some.healthy, len(late)) == (False, 800)
    assert late[0].message == "no answer within the 2.5 s for all checks"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.timeout(400)
async def test_a_thousand_real_checks_are_asked_at_once() -> None:
    """Over real connections, HTTP and bare, with one that hangs and one that fails among them."""
    async with served({"/": answer(), "/bad": answer(500), "/hang": hang}) as site:
        checks: dict[str, HTTPCheck | TCPCheck] = {f"t{n}": TCPCheck(timeout_ms=300_000) for n in range(900)}
        checks |= {f"h{n}": HTTPCheck("/", timeout_ms=300_000) for n in range(98)}
        odd = {"bad": HTTPCheck("/bad", timeout_ms=300_000), "hung": HTTPCheck("/hang", timeout_ms=50)}
        status = await HealthChecker({**odd, **checks}, deadline=300).check_deployment_health(
            subject(site.address)
        )

    assert [name for name, result in status.checks.items() if not result.healthy] == ["bad", "hung"]


@pytest.mark.anyio
async def test_whatever_a_callable_does_is_its_own_verdict() -> None:
    """It raises, answers something else, or never answers: the others are as they are."""

    async def rude(subject: Subject) -> Any:  # noqa: ANN401 -- a mistake, on purpose
        return "fine"

    async def never(subject: Subject) -> CheckResult:
        await anyio.sleep_forever()
        raise AssertionError

    checks: dict[str, Asked | HealthCheck | HealthRule] = {
        "well": well,
        "raises": saying(RuntimeError("no")),
        "rude": rude,
        "never": HealthRule(never, timeout=timedelta(milliseconds=50)),
    }
    status = await HealthChecker(checks).check_deployment_health()

    assert {name: (result.verdict, result.message) for name, result in status.checks.items()} == {
        "well": (Verdict.PASS, "fine"),
        "raises": (Verdict.ERROR, "the check could not be made: RuntimeError: no"),
        "rude": (Verdict.ERROR, "the check returned a str, not a CheckResult"),
        "never": (Verdict.ERROR, "no answer within 0.05 s"),
    }


@pytest.mark.anyio
async def test_callables_can_be_named_within_a_quorum() -> None:
    """By their names among the checks, as a plan names them."""
    checks: dict[str, Asked | HealthCheck] = {
        "mine": well,
        "both": all_of(BoundCheck("mine"), BoundCheck("mine")),
    }

    assert (await HealthChecker(checks).check_deployment_health(NOBODY)).healthy


# In a row.


@pytest.mark.anyio
async def test_flapping_is_not_followed() -> None:
    """Two successes to come up, three failures to go down, counted in a row."""
    checker = HealthChecker(
        {
            "it": HealthRule(
                saying(BAD, FINE, FINE, BAD, BAD, FINE, BAD, BAD, BAD, FINE, FINE), successes=2, failures=3
            )
        }
    )

    assert await _times(checker, 11) == [
        (Verdict.INCONCLUSIVE, "bad (1 of 3 failures in a row)"),
        (Verdict.INCONCLUSIVE, "fine (1 of 2 successes in a row)"),
        (Verdict.PASS, "fine"),
        (Verdict.PASS, "still counted as passing, 1 of 3 failures in a row: bad"),
        (Verdict.PASS, "still counted as passing, 2 of 3 failures in a row: bad"),
        (Verdict.PASS, "fine"),
        (Verdict.PASS, "still counted as passing, 1 of 3 failures in a row: bad"),
        (Verdict.PASS, "still counted as passing, 2 of 3 failures in a row: bad"),
        (Verdict.FAIL, "bad"),
        (Verdict.INCONCLUSIVE, "fine (1 of 2 successes in a row)"),
        (Verdict.PASS, "fine"),
    ]


@given(st.lists(st.sampled_from(Verdict), max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_a_standing_changes_after_so_many_in_a_row_and_not_before(
    verdicts: list[Verdict], successes: int, failures: int
) -> None:
    """It passes if and only if the last run that was long enough was one of passes."""
    standing, up = Standing(0.0), False
    for number, verdict in enumerate(verdicts, 1):
        told = standing.take(CheckResult(verdict), successes=successes, failures=failures, now=0.0)
        passes = [each is Verdict.PASS for each in verdicts[:number]]
        if number >= successes and all(passes[-successes:]):
            up = True
        elif number >= failures and not any(passes[-failures:]):
            up = False
        assert told.healthy == up


def test_nothing_is_asked_before_its_time_nor_again_within_its_cache() -> None:
    """Five seconds of delay, ten of cache; time is the clock's."""
    asked: list[float] = []

    async def check(subject: Subject) -> CheckResult:
        asked.append(anyio.current_time())
        return FINE

    async def story() -> list[tuple[Verdict, str]]:
        rule = HealthRule(check, initial_delay=5, cache=10)
        checker = HealthChecker({"it": rule}, clock=VirtualClock())
        found = []
        for _ in range(8):
            found += await _times(checker, 1)
            await anyio.sleep(4)
        return found

    found = virtually(story)

    assert found[:2] == [
        (Verdict.INCONCLUSIVE, "is asked for the first time in 5 s"),
        (Verdict.INCONCLUSIVE, "is asked for the first time in 1 s"),
    ]
    assert {each[0] for each in found[2:]} == {Verdict.PASS}
    assert asked == [8.0, 20.0]


def test_who_asks_at_the_same_time_gets_the_same_cached_answer() -> None:
    """Twenty at once ask once."""
    asked = 0

    async def check(subject: Subject) -> CheckResult:
        nonlocal asked
        asked += 1
        await anyio.sleep(1)
        return FINE

    async def story() -> None:
        checker = HealthChecker({"it": HealthRule(check, cache=60)}, clock=VirtualClock())
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(checker.check_deployment_health, NOBODY)

    virtually(story)

    assert asked == 1


@pytest.mark.anyio
async def test_a_shared_check_stands_at_one_thing_for_every_revision() -> None:
    """And each revision has its own otherwise."""
    async with served({"/": answer(503)}) as site:
        shared = HealthRule(HTTPCheck(site.url("/"), scope="shared"), failures=2)
        own = HealthRule(HTTPCheck("/"), failures=2)
        checker = HealthChecker({"shared": shared, "own": own})
        instance = Instance("i", revision="a", address=site.address, ready=True)
        subjects = [Subject(target=Target("shop"), revision=each, instances=(instance,)) for each in "ab"]
        _, second = [await checker.check_deployment_health(each) for each in subjects]

    assert second.checks["shared"].verdict is Verdict.FAIL
    assert second.checks["own"].verdict is Verdict.INCONCLUSIVE


# Instances.


class _Seen:
    """As much of a backend as tells what is there."""

    def __init__(self, *answers: Deployment | Exception) -> None:
        self.answers = iter(answers)

    async def observe(self, target: Target) -> Deployment:
        """Return the next answer."""
        found = next(self.answers)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.anyio
async def test_the_backend_tells_the_instances_of_the_stable_revision() -> None:
    """No stable one fails; a backend that cannot be observed is an error, and what is shared is asked all the same."""
    shop = Target("shop")
    async with served({"/": answer()}) as site:
        instance = Instance("i", revision="1", address=site.address, ready=True)
        stable = Deployment(
            shop.id, revisions=(Revision("1", replicas=1, instances=(instance,)),), stable="1"
        )
        backend: Any = _Seen(stable, Deployment(shop.id), BackendError("nobody home"))
        told: Backend = backend
        checks = {"own": HTTPCheck("/"), "shared": HTTPCheck(site.url("/"), scope="shared")}
        checker = HealthChecker(checks, target=shop, backend=told)
        found = [await checker.check_deployment_health() for _ in range(3)]

    assert [each.checks["own"].verdict for each in found] == [Verdict.PASS, Verdict.FAIL, Verdict.ERROR]
    assert [each.checks["shared"].verdict for each in found] == [Verdict.PASS] * 3
    assert found[1].checks["own"].message == "'shop/production' has no stable revision"
    assert found[2].checks["own"].message == "nobody home"


@pytest.mark.anyio
async def test_without_instances_there_is_nobody_to_ask() -> None:
    """The message says what to give."""
    with pytest.raises(InvalidInput, match="check 'api' asks instances: give HealthChecker"):
        await HealthChecker({"api": HTTPCheck("/health")}).check_deployment_health()


# Bad input.


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: HealthChecker({}), "needs checks"),
        (lambda: HealthChecker([well]), "must be a mapping"),  # type: ignore[arg-type]  # a mistake, on purpose
        (lambda: HealthChecker({"x": "/health"}), "a check must be data"),  # type: ignore[dict-item]  # as above
        (lambda: HealthChecker({"x": ErrorRate()}), "cannot be asked"),  # type: ignore[dict-item]  # as above
        (lambda: HealthChecker({"x": well}, backend=_Seen()), "needs a target"),  # type: ignore[arg-type]  # as above
        (lambda: HealthChecker({"x": well}, deadline=0), "deadline must be"),
        (lambda: HealthChecker({"x": well}, at_once=0), "at_once must be"),
        (lambda: HealthRule(well, failures=0), "failures must be at least 1"),
        (lambda: HealthRule(well, successes=True), "successes must be a whole number"),
        (lambda: HealthRule(well, cache=-1), "cache must be"),
        (lambda: HealthRule(well, timeout=float("nan")), "timeout must be"),
        (lambda: HealthRule(well, required="no"), "required must be True or False"),  # type: ignore[arg-type]  # as above
    ],
)
def test_what_cannot_be_right_is_refused(made: object, says: str) -> None:
    """It names the value and what was expected."""
    assert callable(made)
    with pytest.raises(InvalidInput, match=says):
        made()
