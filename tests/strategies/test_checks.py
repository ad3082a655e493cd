from __future__ import annotations

from fairdeploy.model import (
    Action,
    BoundCheck,
    CommandCheck,
    Deployment,
    ErrorRate,
    HTTPCheck,
    TCPCheck,
    Verdict,
    Verify,
)
from fairdeploy.strategies import Canary, scale_plan, with_checks
from tests.strategies.worlds import EVERYTHING, NEW, deployed, ids, target

API = HTTPCheck("/")
PLAN = Canary(verify=[API], analysis=[ErrorRate()]).plan(NEW, target(), deployed(), EVERYTHING)


def test_each_check_is_asked_before_traffic_and_watches_after() -> None:
    """A check on the candidate is in the verification once, and a guard; bound callables too."""
    plan = with_checks(PLAN, {"api": API, "orders": BoundCheck("orders")})

    assert [s.checks for s in plan.steps if isinstance(s, Verify)] == [(API, BoundCheck("orders"))]
    assert [g.id for g in plan.guards] == ["error-rate", "check:api", "check:orders"]
    assert {(g.since, g.until) for g in plan.guards} == {("shift-5", "bake-100")}


def test_shared_things_hold_and_do_not_convict() -> None:
    """A database that is down for both is no reason to go back: it is a guard that holds."""
    plan = with_checks(PLAN, {"db": TCPCheck("db:5432", scope="shared")})
    guard = plan.guards[-1]

    assert guard.id == "check:db"
    assert guard.on[Verdict.FAIL] is Action.HOLD
    assert [s.checks for s in plan.steps if isinstance(s, Verify)] == [(API,)]


def test_what_counts_requests_is_a_guard_only() -> None:
    """Before traffic there is nothing to count."""
    plan = with_checks(PLAN, {"strict": ErrorRate(max_percent=0.1), "smoke": CommandCheck(["smoke"])})

    assert [s.checks for s in plan.steps if isinstance(s, Verify)] == [(API, CommandCheck(["smoke"]))]
    assert [(g.failures, g.every_ms) for g in plan.guards[1:]] == [(1, 1_000), (3, 5_000)]


def test_an_empty_verification_is_dropped() -> None:
    """Without any check there is nothing to verify."""
    plan = with_checks(Canary().plan(NEW, target(), deployed(), EVERYTHING), {})

    assert "verify" not in ids(plan)


def test_plans_without_a_candidate_are_left_as_they_are() -> None:
    """A change of number has nobody to convict."""
    plan = scale_plan(target(), deployed(4), 6)

    assert with_checks(plan, {"api": API}) == plan


def test_a_first_deploy_is_verified_and_has_no_guards() -> None:
    """No time passes between its traffic and its promotion, so nothing can watch."""
    plan = with_checks(Canary().plan(NEW, target(), Deployment("shop/production"), EVERYTHING), {"api": API})

    assert "verify" in ids(plan)
    assert not plan.guards
