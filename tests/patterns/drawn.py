"""Institutions and patterns as hypothesis draws them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fairdeploy.patterns import (
    CRITERIA,
    REGIMES,
    Claim,
    Contract,
    Control,
    CostRange,
    DataLocation,
    DeploymentPattern,
    Expertise,
    Fit,
    InstitutionRequirements,
    Level,
    PhiHolder,
    Range,
    Scalability,
    SetupTime,
    Status,
    Traffic,
)

__all__ = ["ANSWERS", "ASKED", "MORE", "OPTIONS", "needs", "patterns", "weights"]

ASKED = sorted(set(REGIMES) - {"RESIDENCY", "SOVEREIGNTY"})
"""Rules that an institution names."""


OPTIONS: dict[str, tuple[object, ...]] = {
    "users": (10, 600, 9_000),
    "data_volume_gb": (10, 15_000, 300_000),
    "staff_fte": (0.05, 0.3, 1, 3),
    "availability_percent": (98, 99.5, 99.95),
    "rto_hours": (0.5, 4, 48),
    "sensitive_on_site": (True, False),
    "own_services": (True, False),
    "region": ("EU",),
    "deadline_days": (2, 20, 200),
    "traffic": tuple(Traffic),
    "existing_hardware": (True, False),
    "existing_contract": tuple(Contract),
    "phi_holder": tuple(PhiHolder),
    "outside_help": (True, False),
}
ANSWERS = [(name, value) for name, values in OPTIONS.items() for value in values]


@st.composite
def needs(draw: st.DrawFn) -> InstitutionRequirements:
    """Draw an institution that does not contradict itself."""
    answers = dict(draw(st.lists(st.sampled_from(ANSWERS), max_size=5)))
    regimes = draw(st.lists(st.sampled_from(ASKED), max_size=3, unique=True))
    if answers.get("phi_holder") in {PhiHolder.COVERED_ENTITY, PhiHolder.BUSINESS_ASSOCIATE}:
        regimes.append("HIPAA")
    five = {
        "budget": draw(st.sampled_from(Level)),
        "compliance": regimes,
        "expertise": draw(st.sampled_from(Expertise)),
        "expected_growth": draw(st.sampled_from(Level)),
        "data_sovereignty": answers.get("sensitive_on_site") is True or draw(st.booleans()),
    }
    return InstitutionRequirements.read({**five, **answers})


def _claim(regime: str, status: Status) -> Claim:
    return Claim(regime, status, ("something is done",) if status is Status.CONDITIONAL else ())


MORE: tuple[dict[str, Any], ...] = (  # Any: each is of the type of its field
    {},
    {
        "data_location": DataLocation.ON_SITE,
        "reuses_hardware": Fit.FULLY,
        "bursts": Fit.NONE,
        "staff_fte": Range(1, high=2),
    },
    {
        "data_location": DataLocation.SPLIT,
        "bursts": Fit.PARTLY,
        "disaster_recovery": Fit.PARTLY,
        "rto_hours": 1,
    },
    {
        "data_location": DataLocation.PROVIDER,
        "runs_services": False,
        "disaster_recovery": Fit.NONE,
        "rto_hours": 24,
    },
    {
        "data_location": DataLocation.PRIVATE,
        "runs_services": True,
        "availability_percent": 99.9,
        "max_data_gb": 9_000,
    },
)
"""What a pattern may have beyond the seed's nine fields."""


@st.composite
def patterns(draw: st.DrawFn) -> DeploymentPattern:
    """Draw a pattern, with or without the attributes that the seed does not have."""
    low = draw(st.integers(1, 3))
    claims = dict(
        draw(st.lists(st.tuples(st.sampled_from(sorted(REGIMES)), st.sampled_from(Status)), max_size=3))
    )
    return DeploymentPattern(
        draw(st.sampled_from("ABCDEF")),
        complexity=draw(st.sampled_from(Level)),
        cost_range=CostRange(low, draw(st.integers(low, 3))),
        scalability=draw(st.sampled_from(Scalability)),
        control_level=draw(st.sampled_from(Control)),
        compliance_support=[_claim(regime, status) for regime, status in claims.items()],
        min_technical_expertise=draw(st.sampled_from(Expertise)),
        setup_time=draw(st.sampled_from(SetupTime)),
        maintenance_burden=draw(st.sampled_from(Level)),
        **draw(st.sampled_from(MORE)),
    )


def weights() -> st.SearchStrategy[dict[str, float]]:
    """Draw weights, of which one at least is above 0."""
    keys = [criterion.key for criterion in CRITERIA]
    drawn = st.lists(st.integers(0, 9), min_size=len(keys), max_size=len(keys)).filter(any)
    return drawn.map(lambda given: dict(zip(keys, map(float, given), strict=True)))
