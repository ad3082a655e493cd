"""A service on AWS from nothing, by CloudFormation: `AWSDeployment`. Needs the extra ``aws``."""

from __future__ import annotations

from fairdeploy.provision.aws.config import AWSConfig
from fairdeploy.provision.aws.deployment import AWSDeployment
from fairdeploy.provision.aws.stack import Change, Drift, Stack, StackPlan
from fairdeploy.provision.aws.template import template

__all__ = ["AWSConfig", "AWSDeployment", "Change", "Drift", "Stack", "StackPlan", "template"]
