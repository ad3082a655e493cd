"""What things are called in a cluster: the same names in every program, and known before anything is made."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fairdeploy.model import Target

__all__ = [
    "COLOUR",
    "COLOURS",
    "EPOCH",
    "KEY",
    "REPLICAS",
    "REVISION",
    "SERVING",
    "TARGET",
    "base",
    "label",
    "path_of",
    "selector",
]

TARGET: Final = "fairdeploy.io/target"
REVISION: Final = "fairdeploy.io/revision"
SERVING: Final = "fairdeploy.io/serving"
"""``"false"`` on a pod that is on its way out: no Service of ours selects it any more."""
EPOCH: Final = "fairdeploy.io/epoch"
KEY: Final = "fairdeploy.io/key"
REPLICAS: Final = "fairdeploy.io/replicas"
COLOUR: Final = "environment"
"""The label that says in which place a revision stands, as people write it by hand."""
COLOURS: Final = ("blue", "green", "amber", "coral")
"""Places for revisions: names of Deployments and Services are these, whatever the release, so that a Role can name them."""
_GROUPS: Final = {
    "pods": "/api/v1",
    "services": "/api/v1",
    "configmaps": "/api/v1",
    "secrets": "/api/v1",
    "events": "/api/v1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "httproutes": "/apis/gateway.networking.k8s.io/v1",
    "grpcroutes": "/apis/gateway.networking.k8s.io/v1",
    "virtualservices": "/apis/networking.istio.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "poddisruptionbudgets": "/apis/policy/v1",
}


def base(target: Target) -> str:
    """Return what the names of a target's objects begin with: ``app-environment``, if that can be a name."""
    plain = f"{target.app}-{target.environment}"
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if slug == plain and len(slug) <= 40 and slug[0].isalpha():
        return slug
    mark = hashlib.sha256(target.id.encode()).hexdigest()[:8]
    return f"{slug[:31].strip('-') if slug[:1].isalpha() else 't-' + slug[:29].strip('-')}-{mark}"


def label(target: Target) -> str:
    """Return the value of the label `TARGET`: no two targets share one."""
    return f"{base(target)}.{hashlib.sha256(target.id.encode()).hexdigest()[:6]}"


def selector(target: Target, revision: str | None = None) -> str:
    """Return the label selector of all that belongs to a target, or to one of its revisions."""
    mine = f"{TARGET}={label(target)}"
    return mine if revision is None else f"{mine},{REVISION}={revision}"


def path_of(namespace: str, resource: str, name: str | None = None, part: str | None = None) -> str:
    """Return the path of a resource, of one object, or of a part of it such as ``log``."""
    path = f"{_GROUPS[resource]}/namespaces/{namespace}/{resource}"
    return "/".join(each for each in (path, name, part) if each)
