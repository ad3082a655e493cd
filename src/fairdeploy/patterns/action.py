"""From advice to action: what fairdeploy does for a pattern now, and what it only recommends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import final

__all__ = ["ACTIONS", "Action", "Reach"]


class Reach(Enum):
    """How far fairdeploy goes."""

    DOES = "fairdeploy does it"
    PARTLY = "fairdeploy does a part"
    RECOMMENDS = "fairdeploy recommends only"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What follows from choosing a pattern.

    Args:
        pattern: The pattern's key.
        reach: How far fairdeploy goes.
        backend: The module that deploys there now; empty if there is none.
        provisioner: What makes the machines ready; empty if fairdeploy brings none.
        example: An example to begin with; empty if there is none.
        does: What it does, in a sentence.
        leaves: What it leaves to people, in a sentence.
    """

    pattern: str
    reach: Reach
    backend: str
    provisioner: str
    example: str
    does: str
    leaves: str

    def __str__(self) -> str:
        """Return it as a paragraph."""
        begin = f" Begin with {self.example}." if self.example else ""
        return f"{self.pattern}: {self.reach.value}. {self.does} {self.leaves}{begin}"


_LOCAL = "fairdeploy.backends.local"
_QUICKSTART = "examples/quickstart.py"
_HYBRID = "examples/hybrid.py"

ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "on_premise_single": Action(
            pattern="on_premise_single",
            reach=Reach.DOES,
            backend=_LOCAL,
            provisioner="fairdeploy.provision.on_premise",
            example=_QUICKSTART,
            does=(
                "It releases on one machine without downtime, as processes or as the containers of your Compose file "
                "(fairdeploy.backends.compose), behind Envoy, takes the way back, and makes a server ready."
            ),
            leaves="Operating system, backups to another place and the network stay with you.",
        ),
        "on_premise_cluster": Action(
            pattern="on_premise_cluster",
            reach=Reach.PARTLY,
            backend="fairdeploy.backends.kubernetes",
            provisioner="",
            example=_HYBRID,
            does="It releases on a Kubernetes cluster by its API, behind a Gateway or a Service, or on each machine of another cluster, run there.",
            leaves="The cluster itself, shared storage, the database's replication and the balancer before the machines stay with you.",
        ),
        "private_cloud": Action(
            pattern="private_cloud",
            reach=Reach.RECOMMENDS,
            backend=_LOCAL,
            provisioner="",
            example=_QUICKSTART,
            does="Inside a virtual machine it releases as on a single server, on a Kubernetes of your cloud by its API.",
            leaves="OpenStack and VMware themselves it does not speak to: networks, images and machines are made by their tools.",
        ),
        "public_cloud": Action(
            pattern="public_cloud",
            reach=Reach.PARTLY,
            backend="fairdeploy.backends.ecs",
            provisioner="fairdeploy.provision.aws",
            example=_QUICKSTART,
            does=(
                "On AWS it releases on ECS, and makes network, database, balancer and scaling by CloudFormation, both tried on "
                "emulators of AWS only; in a virtual machine anywhere it releases as on a single server."
            ),
            leaves="Azure and Google Cloud themselves it does not speak to; a managed Kubernetes of theirs it reaches by its API.",
        ),
        "hybrid_cloud": Action(
            pattern="hybrid_cloud",
            reach=Reach.PARTLY,
            backend=_LOCAL,
            provisioner="",
            example=_HYBRID,
            does="One plan for both sides: sequence(plan_on_site, plan_in_cloud) promotes both together or neither, from one journal.",
            leaves="A side on another machine needs a backend that reaches it, such as a cluster's or AWS's. The link, replication and what may leave the site stay with you.",
        ),
        "dbaas": Action(
            pattern="dbaas",
            reach=Reach.RECOMMENDS,
            backend="",
            provisioner="",
            example="",
            does="There is nothing to deploy: the provider does it.",
            leaves="Supabase Cloud is set up in its console; migrations go by its own tools.",
        ),
    }
)
"""What follows from each pattern of the catalogue; checked by a test against what is installed."""
