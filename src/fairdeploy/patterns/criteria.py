"""The criteria that come with the catalogue: the seed's five, and four that count when they are asked for."""

from __future__ import annotations

from functools import lru_cache

from fairdeploy.patterns import _sources as source
from fairdeploy.patterns._read import label
from fairdeploy.patterns.claim import Claim
from fairdeploy.patterns.criterion import Criterion, Grade
from fairdeploy.patterns.gate import claim_for
from fairdeploy.patterns.level import Contract, Expertise, Fit, Level, Traffic
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.reading import reads
from fairdeploy.patterns.requirements import InstitutionRequirements

__all__ = ["CRITERIA"]

_MANY_USERS = 5_000
_SOME_USERS = 500
_UNKNOWN = Grade(0.25, "the catalogue does not say", (source.ESTIMATE,))


@reads("budget")
def _budget(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade:
    over = max(0.0, pattern.cost_range.middle - needs.budget)
    reason = f"costs {pattern.cost_range} on a {label(needs.budget).lower()} budget"
    return Grade(max(0.0, 1 - over / 2), reason, (source.SEED,))


@reads("compliance", "phi_holder")
def _compliance(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade | None:
    if not needs.compliance:
        return None
    return _claimed(tuple([claim_for(needs, pattern, regime) for regime in needs.compliance]))


@lru_cache(maxsize=256)
def _claimed(claims: tuple[Claim, ...]) -> Grade:
    """Return the grade of claims, whoever asks: worked out once a set of claims."""
    reason = ", ".join([f"{claim.title} {claim.status.value}" for claim in claims])
    sources = tuple(dict.fromkeys([each for claim in claims for each in claim.sources]))
    return Grade(sum([claim.status.grade for claim in claims]) / len(claims), reason, sources)


@reads("expertise")
def _expertise(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade:
    """Grade the load on people: the less they can do, the more complexity and upkeep weigh."""
    load = (pattern.complexity - Level.LOW + pattern.maintenance_burden - Level.LOW) / 4
    share = (Expertise.ADVANCED + 1 - needs.expertise) / 3
    reason = (
        f"{label(pattern.complexity).lower()} complexity and {label(pattern.maintenance_burden).lower()} upkeep "
        f"for people of {label(needs.expertise).lower()} skill"
    )
    return Grade(1 - load * share, reason, (source.SEED,))


@reads("expected_growth", "users")
def _growth(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade:
    users = needs.users or 0
    by_users = Level.HIGH if users >= _MANY_USERS else Level.MEDIUM if users >= _SOME_USERS else Level.LOW
    need = max(needs.expected_growth, by_users)
    short = max(0, need - pattern.scalability)
    why = (
        f"{users:g} users at once"
        if by_users > needs.expected_growth
        else f"{label(needs.expected_growth).lower()} growth"
    )
    return Grade(1 - short / 2, f"{label(pattern.scalability).lower()} scalability for {why}", (source.SEED,))


@reads("data_sovereignty")
def _control(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade | None:
    if not needs.data_sovereignty:
        return None
    reason = f"{label(pattern.control_level).lower()} control, and sovereignty is asked for"
    return Grade((pattern.control_level - 1) / 2, reason, (source.SEED,))


@reads("existing_hardware", "existing_contract")
def _assets(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade | None:
    """Grade the use of what is there: machines, or a contract; the better of both."""
    grades: list[Grade] = []
    if needs.existing_hardware is not None:
        grades.append(_hardware(has_some=needs.existing_hardware, reuse=pattern.reuses_hardware))
    if needs.existing_contract not in (None, Contract.NOTHING):
        covered = pattern.contract is needs.existing_contract
        name = label(needs.existing_contract).lower()
        reason = f"the {name} contract covers it" if covered else f"the {name} contract does not cover it"
        grades.append(Grade(float(covered), reason))
    if not grades:
        return None
    return max(grades, key=lambda grade: grade.value)


def _hardware(*, has_some: bool, reuse: Fit | None) -> Grade:
    if reuse is None:
        return _UNKNOWN
    if has_some:
        return Grade(
            reuse / 2, f"puts the machines that are there to use: {label(reuse).lower()}", (source.ESTIMATE,)
        )
    return Grade(
        1 - reuse / 2, "needs machines to be bought" if reuse else "needs no machines", (source.ESTIMATE,)
    )


@reads("traffic")
def _elasticity(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade | None:
    if needs.traffic in (None, Traffic.STEADY):
        return None
    if pattern.bursts is None:
        return _UNKNOWN
    missing = 1 - pattern.bursts / 2
    share = 1.0 if needs.traffic is Traffic.BURSTY else 0.5
    reason = f"takes peaks: {label(pattern.bursts).lower()}; traffic is {label(needs.traffic).lower()}"
    return Grade(1 - missing * share, reason, (source.ESTIMATE,))


@reads("availability_percent", "rto_hours", "rpo_hours")
def _resilience(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade | None:
    if needs.availability_percent is None and needs.rto_hours is None and needs.rpo_hours is None:
        return None
    if pattern.disaster_recovery is None:
        return _UNKNOWN
    reason = f"survives the loss of a site: {label(pattern.disaster_recovery).lower()}"
    return Grade(pattern.disaster_recovery / 2, reason, (source.ESTIMATE,))


@reads("staff_fte")
def _staff(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade | None:
    if needs.staff_fte is None:
        return None
    if pattern.staff_fte is None:
        return _UNKNOWN
    low, high = pattern.staff_fte.low, pattern.staff_fte.high
    room = needs.staff_fte - low
    grade = 1.0 if needs.staff_fte >= high else max(0.0, room / (high - low))
    return Grade(
        grade, f"needs {pattern.staff_fte} full-time equivalents of {needs.staff_fte:g}", (source.ESTIMATE,)
    )


CRITERIA: tuple[Criterion, ...] = (
    Criterion("budget", "Budget", 3, _budget),
    Criterion("compliance", "Compliance", 3, _compliance),
    Criterion("expertise", "Skill and upkeep", 2, _expertise),
    Criterion("growth", "Growth", 2, _growth),
    Criterion("control", "Control", 3, _control),
    Criterion("assets", "Use of what is there", 2, _assets),
    Criterion("elasticity", "Peaks", 2, _elasticity),
    Criterion("resilience", "Resilience", 2, _resilience),
    Criterion("staff", "Staff", 2, _staff),
)
"""Weights of the first five are the seed's: 3, 3, 2, 2, 3. The others are 2, and count only when asked for."""
