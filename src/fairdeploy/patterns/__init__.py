"""Which way to host an institution can defend: the catalogue, the recommender, its reasons and its cost. Pure."""

from __future__ import annotations

from fairdeploy.patterns.action import ACTIONS, Action, Reach
from fairdeploy.patterns.assessment import Assessment, Score
from fairdeploy.patterns.catalogue import CATALOGUE_DATE, CATALOGUE_VERSION, DEPLOYMENT_PATTERNS
from fairdeploy.patterns.changes import Change, ChangeKind
from fairdeploy.patterns.claim import REGIMES, Claim, Source, Status
from fairdeploy.patterns.cost import PRICES, CostEstimate, Driver, Price, estimate_cost
from fairdeploy.patterns.cost_strategy import COST_STRATEGIES, CostStrategy, Setting, strategies_for
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
from fairdeploy.patterns.scenario import Comparison, compare
from fairdeploy.patterns.sensitivity import Sensitivity
from fairdeploy.patterns.yaml import Catalogue, read_catalogue, read_requirements

__all__ = [
    "ACTIONS",
    "CATALOGUE_DATE",
    "CATALOGUE_VERSION",
    "COST_STRATEGIES",
    "CRITERIA",
    "DEPLOYMENT_PATTERNS",
    "PRICES",
    "REGIMES",
    "Action",
    "Assessment",
    "Catalogue",
    "Change",
    "ChangeKind",
    "Claim",
    "Comparison",
    "Contract",
    "Control",
    "CostEstimate",
    "CostRange",
    "CostStrategy",
    "Criterion",
    "DataLocation",
    "DeploymentPattern",
    "Driver",
    "Eligibility",
    "Expertise",
    "Fit",
    "GateResult",
    "Grade",
    "InstitutionRequirements",
    "Level",
    "PhiHolder",
    "Price",
    "Range",
    "Reach",
    "Recommendation",
    "Scalability",
    "Scale",
    "Score",
    "Sensitivity",
    "Setting",
    "SetupTime",
    "Source",
    "Status",
    "Traffic",
    "compare",
    "estimate_cost",
    "read_catalogue",
    "read_requirements",
    "recommend",
    "recommend_deployment_pattern",
    "strategies_for",
]
