"""Which way to host an institution can defend: the catalogue, the recommender, its reasons and its cost. Pure."""

from __future__ import annotations

from fairdeploy.patterns.assessment import Assessment, Score
from fairdeploy.patterns.catalogue import CATALOGUE_DATE, CATALOGUE_VERSION, DEPLOYMENT_PATTERNS
from fairdeploy.patterns.changes import Change, ChangeKind
from fairdeploy.patterns.claim import REGIMES, Claim, Source, Status
from fairdeploy.patterns.criteria import CRITERIA
from fairdeploy.patterns.criterion import Criterion, Grade, Scale
from fairdeploy.patterns.gate import Eligibility, GateResult
from fairdeploy.patterns.level import (
    Contract,
    Control,
    DataLocation,
    Expertise,
    Fit,
    Level,
    PhiHolder,
    Scalability,
    SetupTime,
    Traffic,
)
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.ranges import CostRange, Range
from fairdeploy.patterns.recommendation import Recommendation
from fairdeploy.patterns.recommender import recommend, recommend_deployment_pattern
from fairdeploy.patterns.requirements import InstitutionRequirements
from fairdeploy.patterns.sensitivity import Sensitivity

__all__ = [
    "CATALOGUE_DATE",
    "CATALOGUE_VERSION",
    "CRITERIA",
    "DEPLOYMENT_PATTERNS",
    "REGIMES",
    "Assessment",
    "Change",
    "ChangeKind",
    "Claim",
    "Contract",
    "Control",
    "CostRange",
    "Criterion",
    "DataLocation",
    "DeploymentPattern",
    "Eligibility",
    "Expertise",
    "Fit",
    "GateResult",
    "Grade",
    "InstitutionRequirements",
    "Level",
    "PhiHolder",
    "Range",
    "Recommendation",
    "Scalability",
    "Scale",
    "Score",
    "Sensitivity",
    "SetupTime",
    "Source",
    "Status",
    "Traffic",
    "recommend",
    "recommend_deployment_pattern",
]
