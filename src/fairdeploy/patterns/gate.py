"""Gates: what must hold before anything is scored. A further requirement can only shut a gate, never open one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from typing import TypeAlias, final

from fairdeploy.patterns import _sources as source
from fairdeploy.patterns._read import label
from fairdeploy.patterns.claim import Claim, Source, Status
from fairdeploy.patterns.level import DataLocation, Fit, PhiHolder, SetupTime
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.reading import reads, told
from fairdeploy.patterns.requirements import InstitutionRequirements

__all__ = ["GATES", "Eligibility", "Gate", "GateResult", "claim_for", "gates_of", "pass_gates"]


class Eligibility(IntEnum):
    """Whether a pattern can be chosen at all."""

    EXCLUDED = 0
    CONDITIONAL = 1
    ELIGIBLE = 2


@final
@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate says about one pattern.

    Args:
        gate: The gate's name: the requirement that it guards, or the rule.
        eligibility: Whether the pattern passes.
        reason: Why, in one sentence.
        conditions: What must be done first, if it passes only then.
        sources: Where the facts are from.
    """

    gate: str
    eligibility: Eligibility
    reason: str
    conditions: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


Gate: TypeAlias = Callable[[InstitutionRequirements, DeploymentPattern], Iterator[GateResult]]
"""A gate yields nothing where nothing is asked."""

_DAYS = {SetupTime.MINUTES: 1, SetupTime.HOURS: 1, SetupTime.DAYS: 5, SetupTime.WEEKS: 30}
_PURCHASE_DAYS = 45
_NO_HIPAA = Claim(
    "HIPAA",
    Status.NOT_APPLICABLE,
    note="the Privacy Rule binds covered entities and their associates, not research as such",
    sources=(source.NIH_PRIVACY,),
)


def pass_gates(
    needs: InstitutionRequirements, pattern: DeploymentPattern, gates: Sequence[Gate]
) -> tuple[GateResult, ...]:
    """Return what every gate that is asked for says about a pattern."""
    return tuple(result for gate in gates for result in gate(needs, pattern))


def claim_for(needs: InstitutionRequirements, pattern: DeploymentPattern, regime: str) -> Claim:
    """Return what is claimed about a rule, for this institution: HIPAA does not apply where nobody is under it."""
    if regime == "HIPAA" and needs.phi_holder is PhiHolder.NOBODY:
        return _NO_HIPAA
    return pattern.claim(regime)


@reads("compliance", "data_sovereignty", "region", "phi_holder")
def _compliance(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
    asked = set(needs.compliance)
    asked |= {"SOVEREIGNTY"} if needs.data_sovereignty else set()
    asked |= {"RESIDENCY"} if needs.region else set()
    for regime in sorted(asked):
        yield _judge_claim(claim_for(needs, pattern, regime))


@lru_cache(maxsize=256)
def _judge_claim(claim: Claim) -> GateResult:
    """Return what a claim says, whoever asks: worked out once a claim."""
    note = f": {claim.note}" if claim.note else ""
    reason = f"{claim.title} is {claim.status.value}{note}"
    match claim.status:
        case Status.SUPPORTED | Status.NOT_APPLICABLE:
            return GateResult(claim.regime, Eligibility.ELIGIBLE, reason, (), claim.sources)
        case Status.CONDITIONAL:
            return GateResult(claim.regime, Eligibility.CONDITIONAL, reason, claim.conditions, claim.sources)
        case Status.UNKNOWN:
            condition = (f"somebody finds out, and writes down, that {claim.title} can be met",)
            return GateResult(claim.regime, Eligibility.CONDITIONAL, reason, condition, claim.sources)
        case Status.UNSUPPORTED:
            return GateResult(claim.regime, Eligibility.EXCLUDED, reason, (), claim.sources)


@reads("expertise", "outside_help")
def _expertise(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
    has, wants = needs.expertise, pattern.min_technical_expertise
    if has >= wants:
        yield GateResult(
            "expertise",
            Eligibility.ELIGIBLE,
            f"{label(has)} skill is enough: {label(wants)} is asked for",
            (),
            (source.SEED,),
        )
        return
    reason = f"{label(wants)} skill is asked for, {label(has)} is there"
    if needs.outside_help and wants - has == 1:
        help_ = (f"a partner with {label(wants)} skill is under contract before it starts, and stays",)
        yield GateResult("expertise", Eligibility.CONDITIONAL, reason, help_, (source.SEED,))
    else:
        yield GateResult("expertise", Eligibility.EXCLUDED, reason, (), (source.SEED,))


@reads("budget")
def _budget(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
    over = pattern.cost_range.low - needs.budget
    reason = f"it costs {pattern.cost_range}, the budget is {label(needs.budget)}"
    fits = Eligibility.EXCLUDED if over > 1 else Eligibility.ELIGIBLE
    yield GateResult("budget", fits, reason, (), (source.SEED,))


@reads("sensitive_on_site")
def _sensitive_on_site(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
    if not needs.sensitive_on_site:
        return
    match pattern.data_location:
        case DataLocation.ON_SITE:
            yield GateResult(
                "sensitive_on_site", Eligibility.ELIGIBLE, "the data is on the institution's own site"
            )
        case DataLocation.PRIVATE:
            condition = ("the private cloud stands in the institution's own data centre",)
            yield GateResult(
                "sensitive_on_site", Eligibility.CONDITIONAL, "a private cloud may stand elsewhere", condition
            )
        case DataLocation.SPLIT:
            condition = ("sensitive data is told apart from the rest, and its backups stay on site too",)
            yield GateResult(
                "sensitive_on_site", Eligibility.CONDITIONAL, "part of the data leaves the site", condition
            )
        case DataLocation.PROVIDER:
            yield GateResult("sensitive_on_site", Eligibility.EXCLUDED, "the data is at the provider's")
        case None:
            yield _unknown("sensitive_on_site", "where the data is")


@reads("own_services")
def _own_services(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
    if not needs.own_services:
        return
    if pattern.runs_services is None:
        yield _unknown("own_services", "whether it runs programs of the institution")
    elif pattern.runs_services:
        yield GateResult(
            "own_services",
            Eligibility.ELIGIBLE,
            "the institution's own programs run there",
            (),
            (source.ESTIMATE,),
        )
    else:
        reason = "it runs a database and what belongs to it, not the institution's own programs"
        yield GateResult("own_services", Eligibility.EXCLUDED, reason, (), (source.SUPABASE_SHARED,))


@reads("deadline_days", "existing_hardware")
def _deadline(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
    if needs.deadline_days is None:
        return
    own_machines = pattern.data_location is DataLocation.ON_SITE or (
        pattern.data_location is DataLocation.SPLIT and pattern.reuses_hardware is not Fit.NONE
    )
    buys = own_machines and needs.existing_hardware is False
    days = _DAYS[pattern.setup_time] + (_PURCHASE_DAYS if buys else 0)
    buying = f", {_PURCHASE_DAYS} of them to buy machines" if buys else ""
    reason = f"it takes about {days} days{buying}; there are {needs.deadline_days:g}"
    if days > needs.deadline_days:
        yield GateResult("deadline_days", Eligibility.EXCLUDED, reason, (), (source.ESTIMATE,))
    elif own_machines and needs.existing_hardware is None and days + _PURCHASE_DAYS > needs.deadline_days:
        condition = ("the machines are there already: buying them takes longer than the deadline allows",)
        yield GateResult("deadline_days", Eligibility.CONDITIONAL, reason, condition, (source.ESTIMATE,))
    else:
        yield GateResult("deadline_days", Eligibility.ELIGIBLE, reason, (), (source.ESTIMATE,))


def _limit(field: str, reached: str, unit: str, *, at_least: bool) -> Gate:
    """Return the gate of a number: what the pattern reaches must be enough of, or not more than, what is asked."""

    @reads(field)
    def gate(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
        wanted: float | None = getattr(needs, field)
        has: float | None = getattr(pattern, reached)
        if wanted is None:
            return
        if has is None:
            yield _unknown(field, f"what {reached} it reaches")
            return
        enough = has >= wanted if at_least else has <= wanted
        reason = f"with usual means it reaches {has:g}{unit}; {wanted:g}{unit} is asked for"
        fits = Eligibility.ELIGIBLE if enough else Eligibility.EXCLUDED
        yield GateResult(field, fits, reason, (), (source.ESTIMATE,))

    return gate


@reads("staff_fte")
def _staff(needs: InstitutionRequirements, pattern: DeploymentPattern) -> Iterator[GateResult]:
    if needs.staff_fte is None:
        return
    if pattern.staff_fte is None:
        yield _unknown("staff_fte", "how many people it needs")
        return
    enough = needs.staff_fte >= pattern.staff_fte.low
    reason = f"it needs {pattern.staff_fte} full-time equivalents; there are {needs.staff_fte:g}"
    fits = Eligibility.ELIGIBLE if enough else Eligibility.EXCLUDED
    yield GateResult("staff_fte", fits, reason, (), (source.ESTIMATE,))


def _unknown(gate: str, what: str) -> GateResult:
    reason = f"the catalogue does not say {what}"
    return GateResult(
        gate, Eligibility.CONDITIONAL, reason, (f"somebody finds out {what}, and it is enough",)
    )


GATES: tuple[Gate, ...] = (
    _compliance,
    _expertise,
    _budget,
    _sensitive_on_site,
    _own_services,
    _staff,
    _limit("availability_percent", "availability_percent", " %", at_least=True),
    _limit("rto_hours", "rto_hours", " h", at_least=False),
    _limit("rpo_hours", "rpo_hours", " h", at_least=False),
    _limit("data_volume_gb", "max_data_gb", " GB", at_least=True),
    _deadline,
)
"""The gates, in the order in which they are explained."""


@cache
def gates_of(field: str) -> tuple[Gate, ...]:
    """Return the gates that may read a field."""
    return tuple(gate for gate in GATES if field in told(gate))
