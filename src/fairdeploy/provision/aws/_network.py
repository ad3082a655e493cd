"""The network: a VPC over two zones, public subnets for the load balancer, private ones for all else."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from fairdeploy.provision.aws._parts import at, name, ref, resource

if TYPE_CHECKING:
    from fairdeploy.provision.aws._parts import Part
    from fairdeploy.provision.aws.config import AWSConfig

__all__ = ["network"]

_ZONES = (0, 1)
_HTTPS = 443
_POSTGRES = 5432


def network(config: AWSConfig) -> dict[str, Part]:
    """Return everything between the internet and the tasks."""
    blocks = [str(each) for each in ipaddress.ip_network(config.network).subnets(prefixlen_diff=2)]
    parts = {
        "Vpc": resource(
            "EC2::VPC",
            CidrBlock=config.network,
            EnableDnsHostnames=True,
            EnableDnsSupport=True,
            Tags=name(config),
        ),
        "Gateway": resource("EC2::InternetGateway", Tags=name(config)),
        "GatewayAttachment": resource(
            "EC2::VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Gateway")
        ),
        "PublicRoutes": resource("EC2::RouteTable", VpcId=ref("Vpc"), Tags=name(config, "public")),
        "PublicRoute": resource(
            "EC2::Route",
            after="GatewayAttachment",
            RouteTableId=ref("PublicRoutes"),
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=ref("Gateway"),
        ),
    }
    for zone in _ZONES:
        parts |= _zone(config, zone, blocks)
    return parts | _firewalls(config)


def _zone(config: AWSConfig, zone: int, blocks: list[str]) -> dict[str, Part]:
    def subnet(block: str, kind: str) -> Part:
        zones = {"Fn::GetAZs": ref("AWS::Region")}
        return resource(
            "EC2::Subnet",
            VpcId=ref("Vpc"),
            CidrBlock=block,
            AvailabilityZone={"Fn::Select": [zone, zones]},
            Tags=name(config, f"{kind}-{zone}"),
        )

    def joined(kind: str, table: str) -> Part:
        return resource(
            "EC2::SubnetRouteTableAssociation", SubnetId=ref(f"{kind}{zone}"), RouteTableId=ref(table)
        )

    return {
        f"Public{zone}": subnet(blocks[zone], "public"),
        f"Private{zone}": subnet(blocks[zone + 2], "private"),
        f"Public{zone}Routes": joined("Public", "PublicRoutes"),
        f"Address{zone}": resource("EC2::EIP", after="GatewayAttachment", Domain="vpc", Tags=name(config)),
        f"Nat{zone}": resource(
            "EC2::NatGateway",
            AllocationId=at(f"Address{zone}", "AllocationId"),
            SubnetId=ref(f"Public{zone}"),
            Tags=name(config),
        ),
        f"PrivateRoutes{zone}": resource(
            "EC2::RouteTable", VpcId=ref("Vpc"), Tags=name(config, f"private-{zone}")
        ),
        f"PrivateRoute{zone}": resource(
            "EC2::Route",
            RouteTableId=ref(f"PrivateRoutes{zone}"),
            DestinationCidrBlock="0.0.0.0/0",
            NatGatewayId=ref(f"Nat{zone}"),
        ),
        f"Private{zone}Routes": joined("Private", f"PrivateRoutes{zone}"),
    }


def _firewalls(config: AWSConfig) -> dict[str, Part]:
    """Return who may reach whom: the world the load balancer, it the tasks, they the database."""

    def group(what: str, *rules: Part) -> Part:
        return resource(
            "EC2::SecurityGroup",
            GroupDescription=f"{config.cluster_name} {what}",
            VpcId=ref("Vpc"),
            SecurityGroupIngress=list(rules),
            Tags=name(config, what),
        )

    def rule(port: int, **source: object) -> Part:
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}

    return {
        "BalancerGroup": group("balancer", rule(_HTTPS, CidrIp="0.0.0.0/0"), rule(80, CidrIp="0.0.0.0/0")),
        "TaskGroup": group("tasks", rule(config.port, SourceSecurityGroupId=at("BalancerGroup", "GroupId"))),
        "DatabaseGroup": group("database", rule(_POSTGRES, SourceSecurityGroupId=at("TaskGroup", "GroupId"))),
    }
