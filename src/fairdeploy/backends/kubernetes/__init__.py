"""Revisions as Deployments of a cluster, told through its API: nothing is installed there."""

from __future__ import annotations

from fairdeploy.backends.kubernetes._pods import Settings as PodSettings
from fairdeploy.backends.kubernetes.backend import KubernetesBackend
from fairdeploy.backends.kubernetes.guarding import guard_manifest
from fairdeploy.backends.kubernetes.journal import ConfigMapJournal
from fairdeploy.backends.kubernetes.permissions import Permissions, required_permissions

__all__ = [
    "ConfigMapJournal",
    "KubernetesBackend",
    "Permissions",
    "PodSettings",
    "guard_manifest",
    "required_permissions",
]
