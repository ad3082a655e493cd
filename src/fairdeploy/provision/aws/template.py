"""The template of a stack: a pure function of its config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.provision.aws import _service
from fairdeploy.provision.aws._database import database
from fairdeploy.provision.aws._network import network
from fairdeploy.provision.aws._parts import at, ref

if TYPE_CHECKING:
    from fairdeploy.provision.aws._parts import Part
    from fairdeploy.provision.aws.config import AWSConfig

__all__ = ["template"]


def template(config: AWSConfig) -> Part:
    """Return the CloudFormation template of a config; the same config, the same template."""
    resources = {
        **network(config),
        **_service.logs(config),
        **database(config),
        **_service.roles(),
        **_service.balancer(config),
        **_service.service(config),
        **_service.scaling(config),
    }
    outputs = {
        "Vpc": ref("Vpc"),
        "Database": at("Database", "Endpoint.Address"),
        "DatabaseSecret": at("Database", "MasterUserSecret.SecretArn"),
        "Cluster": ref("Cluster"),
        "Service": at("Service", "Name"),
        "Address": at("Balancer", "DNSName"),
        "Listener": ref("Listener"),
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{config.cluster_name}: made by fairdeploy",
        "Resources": resources,
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
