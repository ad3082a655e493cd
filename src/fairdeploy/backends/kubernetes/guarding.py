"""The guard as a Job of the cluster: for who has nothing else that is kept running."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from fairdeploy.backends.kubernetes import _opening

if TYPE_CHECKING:
    from fairdeploy.backends.kubernetes.permissions import Permissions
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["guard_manifest"]

_RBAC: Final = "rbac.authorization.k8s.io"
_STOPPED: Final = 30
"""Seconds that it has to finish the effect that is under way."""


def guard_manifest(
    uri: str,
    permissions: Permissions,
    *,
    image: str,
    module: str | None = None,
    schedule: str | None = "* * * * *",
) -> str:
    """Return what runs the guard in the namespace that it guards, for ``kubectl apply -n NAMESPACE -f``.

    It opens the namespace as the pod's own service account, and reads leases and records where the deployer has written
    them: in the ConfigMap ``fairdeploy-journal``, unless the URI names a journal, which its pod must then reach.

    Args:
        uri: Of the backend that deploys there: `KubernetesBackend.uri`. Its context and kubeconfig are left out.
        permissions: What the deployer needs there, by `required_permissions`: the guard does the same.
        image: With Python and ``fairdeploy[kubernetes]`` in it.
        module: With the checks, sources and databases that rollouts name; see ``python -m fairdeploy.guard --help``.
        schedule: As cron has it: a guard is begun so often, and goes when nothing is left to do, never two at once;
            ``None``: one Job, now.

    Raises:
        InvalidInput: If the URI is none of a cluster.
    """
    name = f"{permissions.name}-guard"
    command = ["python", "-m", "fairdeploy.guard", _opening.inside(uri)]
    pod: Object = {
        "serviceAccountName": name,
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": _STOPPED,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "guard",
                "image": image,
                "command": [*command, *(["--module", module] if module else [])],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
    job: Object = {"backoffLimit": 6, "ttlSecondsAfterFinished": 600, "template": {"spec": pod}}
    subject = {"kind": "ServiceAccount", "name": name}
    role = {"apiGroup": _RBAC, "kind": "Role", "name": permissions.name}
    items: list[Object] = [
        permissions.role(),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [subject],
        },
        _run(name, job, schedule),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2)


def _run(name: str, job: Object, schedule: str | None) -> Object:
    meta = {"name": name}
    if schedule is None:
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": job}
    spec = {"schedule": schedule, "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": job}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec}
