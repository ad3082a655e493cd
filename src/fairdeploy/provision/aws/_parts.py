"""What parts of a template are written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from fairdeploy.provision.aws.config import AWSConfig

__all__ = ["Part", "at", "name", "ref", "resource"]

Part: TypeAlias = dict[str, Any]
"""A piece of JSON. `Any`: CloudFormation's shapes are thousands; cfn-lint proves ours."""


def ref(logical: str) -> Part:
    """Return what refers to a resource or parameter."""
    return {"Ref": logical}


def at(logical: str, attribute: str) -> Part:
    """Return an attribute of a resource."""
    return {"Fn::GetAtt": [logical, attribute]}


def name(config: AWSConfig, part: str = "") -> list[Part]:
    """Return the tag that consoles show."""
    return [{"Key": "Name", "Value": f"{config.cluster_name}-{part}" if part else config.cluster_name}]


def resource(kind: str, *, after: str | None = None, keep: str | None = None, **properties: object) -> Part:
    """Return a resource.

    Args:
        kind: Without ``AWS::``.
        after: What must be there first, where nothing in it says so.
        keep: What becomes of it when it is removed or replaced: ``Retain`` or ``Snapshot``.
        properties: As CloudFormation calls them.
    """
    made: Part = {"Type": f"AWS::{kind}", "Properties": properties}
    if after is not None:
        made["DependsOn"] = after
    if keep is not None:
        made["DeletionPolicy"] = made["UpdateReplacePolicy"] = keep
    return made
