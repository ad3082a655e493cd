from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Deployment, ErrorRate, HTTPCheck, Plan, Promote, Revision, Split, Target
from fairdeploy.model.canonical import canonical
from fairdeploy.strategies import BlueGreen, Canary, Recreate, Rolling, scale_plan, sequence, with_checks
from tests.strategies.worlds import EVERYTHING, NEW, OLD, deployed, ids, target


def _other(app: str, strategy: BlueGreen | Rolling | Recreate | None = None) -> Plan:
    there = Deployment(
        f"{app}/production",
        revisions=(Revision(OLD.revision, replicas=2),),
        stable=OLD.revision,
        split=Split.all_to(OLD.revision),
    )
    where = Target(app, replicas=2, endpoint="127.0.0.1:9090")
    return (strategy or BlueGreen()).plan(NEW, where, there, EVERYTHING)


SHOP = Canary(steps=(50, 100), analysis=[ErrorRate()]).plan(NEW, target(2), deployed(2), EVERYTHING)


def test_all_are_promoted_at_once() -> None:
    """Each goes as far as its promotion, one promotion covers all, then the old revisions are put away."""
    plan = sequence(SHOP, _other("api"))
    names = ids(plan)

    assert names.count("promote") == 1
    assert plan.point_of_no_return == Promote(
        "promote", targets=(("shop/production", NEW.revision), ("api/production", NEW.revision))
    )
    assert names.index("shop/production:bake-100") < names.index("api/production:start")
    assert names.index("api/production:watch") + 1 == names.index("promote")
    assert names[names.index("promote") + 1 :] == [
        *("shop/production:drain", "shop/production:retire"),
        *("api/production:drain", "api/production:retire"),
    ]


def test_guards_watch_until_the_common_promotion() -> None:
    """What has all traffic already is watched while the others follow."""
    plan = sequence(SHOP, _other("api"))

    assert [(g.id, g.since, g.until) for g in plan.guards] == [
        ("shop/production:error-rate", "shop/production:shift-50", "api/production:watch"),
        ("api/production:error-rate", "api/production:switch", "api/production:watch"),
    ]


def test_sequences_can_be_put_together_again() -> None:
    """A sequence is a plan like any other, survives its record, and takes the deployer's checks."""
    plan = sequence(sequence(SHOP, _other("api")), _other("mail", Rolling()))
    checked = with_checks(plan, {"api": HTTPCheck("/")})

    assert [base.target.app for base in plan.bases] == ["shop", "api", "mail"]
    assert TypeAdapter(Plan).validate_json(canonical(checked)) == checked
    assert "check:api@mail/production" in [guard.id for guard in checked.guards]
    assert "shop/production: " in str(plan)


def test_the_way_back_is_the_most_careful_one() -> None:
    """Going back has time for all, starts nothing beside the singleton, and resumes only if all would."""
    single = _other("single", Recreate(on_crash="resume"))
    plan = sequence(SHOP, single)

    assert plan.undo.deadline_ms == SHOP.undo.deadline_ms + single.undo.deadline_ms
    assert [plan.exclusive(base.target.id) for base in plan.bases] == [False, True]
    assert plan.undo.on_crash == "undo"


def test_one_plan_is_itself() -> None:
    """A sequence of one changes nothing."""
    assert sequence(SHOP) is SHOP


def test_plans_without_a_promotion_are_heads() -> None:
    """A change of number is done in its turn, and promotes nothing."""
    plan = sequence(scale_plan(target(2), deployed(2), 3), _other("api"))

    assert plan.point_of_no_return is not None
    assert plan.point_of_no_return.targets == (("api/production", NEW.revision),)
    assert ids(plan)[:2] == ["shop/production:scale", "shop/production:ready"]


def test_a_target_comes_once() -> None:
    """Two plans for one target, or none at all, are refused."""
    with pytest.raises(InvalidInput, match="'shop/production'"):
        sequence(SHOP, SHOP)
    with pytest.raises(InvalidInput, match="at least one plan"):
        sequence()
