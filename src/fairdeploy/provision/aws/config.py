"""What a stack is made from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import final

from fairdeploy.errors import InvalidInput

__all__ = ["EU_REGIONS", "AWSConfig"]

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,24}")
"""Names of load balancers and target groups end at 32 characters, and get a suffix."""
_DB = re.compile(r"db\.[a-z0-9]+\.[a-z0-9]+")
_CERTIFICATE = re.compile(r"arn:aws[a-z-]*:acm:(?P<region>[a-z0-9-]+):\d{12}:certificate/[\w-]+")
EU_REGIONS = frozenset(
    {
        "eu-central-1",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "eu-west-1",
        "eu-west-3",
    }
)
"""Regions within the EU: not London (eu-west-2) nor Zurich (eu-central-2). (AWS, "Regions and zones", 2026.)"""
_COMPLIANCE = ("GDPR", "HIPAA")
_FARGATE = {
    256: (512, 2_048),
    512: (1_024, 4_096),
    1_024: (2_048, 8_192),
    2_048: (4_096, 16_384),
    4_096: (8_192, 30_720),
}
"""CPU units of a task to the least and most of its memory in MiB (ECS developer guide, "Fargate task sizes")."""


@final
@dataclass(frozen=True, slots=True)
class AWSConfig:
    """A service with a database, as `AWSDeployment` makes it.

    Args:
        cluster_name: Names the stack and what is in it; 1 to 25 letters, digits and '-'.
        region: Such as ``"eu-central-1"``.
        certificate_arn: Of a certificate in ACM of the same region: the load balancer speaks HTTPS only.
        image: What the service runs first; releases come later, by `ECSBackend`.
        network: CIDR of the VPC, ``/16`` to ``/24``; two public and two private subnets are cut from it.
        db_instance_type: Class of the PostgreSQL instance, default ``"db.t4g.medium"``.
        db_storage_gb: Its disk, 20 to 65536; it grows by itself to twice that.
        db_version: Version of PostgreSQL; minor ones are followed by RDS itself.
        instance_count: Tasks to begin with.
        cpu: CPU units of a task, 256 to 4096.
        memory: MiB of a task.
        port: Where the application listens.
        health_path: What the load balancer asks; 200 to 399 is well.
        scaling: Fewest and most tasks, default 2 to 20.
        target_cpu: Percent of CPU that auto scaling holds, default 70.
        target_memory: Percent of memory that it holds, default 80.
        log_days: Days that logs are kept; at least 2192 for HIPAA.
        compliance: Of ``"GDPR"`` and ``"HIPAA"``: what the recommendation's conditions ask for is then set, or refused.
        tags: On everything.

    Raises:
        InvalidInput: If a value cannot be, or contradicts what it is to comply with.
    """

    cluster_name: str
    _: KW_ONLY
    region: str
    certificate_arn: str
    image: str
    network: str = "10.0.0.0/16"
    db_instance_type: str = "db.t4g.medium"
    db_storage_gb: int = 100
    db_version: str = "17.11"
    instance_count: int = 2
    cpu: int = 512
    memory: int = 1_024
    port: int = 8_000
    health_path: str = "/health"
    scaling: tuple[int, int] = (2, 20)
    target_cpu: int = 70
    target_memory: int = 80
    log_days: int = 365
    compliance: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what CloudFormation would refuse half an hour later."""
        if not _NAME.fullmatch(self.cluster_name):
            msg = f"cluster_name {self.cluster_name!r} must be 1 to 25 letters, digits and '-', beginning with a letter"
            raise InvalidInput(msg)
        found = _CERTIFICATE.fullmatch(self.certificate_arn)
        if found is None or found["region"] != self.region:
            msg = f"certificate_arn must be of a certificate of ACM in {self.region!r}, not {self.certificate_arn!r}"
            raise InvalidInput(msg)
        if not _DB.fullmatch(self.db_instance_type):
            msg = f"db_instance_type {self.db_instance_type!r} is no class of RDS: give one such as 'db.t4g.medium'"
            raise InvalidInput(msg)
        self._check_network()
        self._check_sizes()
        self._check_compliance()

    def _check_network(self) -> None:
        try:
            network = ipaddress.ip_network(self.network)
        except ValueError as error:
            msg = f"network {self.network!r} is no CIDR ({error}): write '10.0.0.0/16'"
            raise InvalidInput(msg) from error
        if (
            network.version != 4 or not 16 <= network.prefixlen <= 24 or not network.is_private
        ):  # IPv4 of a VPC
            msg = f"network {self.network!r} must be a private IPv4 network of /16 to /24, such as '10.0.0.0/16'"
            raise InvalidInput(msg)

    def _check_sizes(self) -> None:
        low, high = _FARGATE.get(self.cpu, (0, 0))
        if not low <= self.memory <= high:
            msg = f"Fargate has no task of {self.cpu} CPU units and {self.memory} MiB: choose from {_FARGATE}"
            raise InvalidInput(msg)
        least, most = self.scaling
        bounds = {
            "db_storage_gb": (self.db_storage_gb, 20, 65_536),
            "instance_count": (self.instance_count, least, most),
            "port": (self.port, 1, 65_535),
            "fewest tasks": (least, 1, most),
            "target_cpu": (self.target_cpu, 10, 95),
            "target_memory": (self.target_memory, 10, 95),
        }
        for what, (value, bottom, top) in bounds.items():
            if isinstance(value, bool) or not isinstance(value, int) or not bottom <= value <= top:
                msg = f"{what} must be a whole number from {bottom} to {top}, not {value!r}"
                raise InvalidInput(msg)

    def _check_compliance(self) -> None:
        unknown = sorted(set(self.compliance) - set(_COMPLIANCE))
        if unknown:
            msg = f"compliance {unknown[0]!r} is not known: choose from {_COMPLIANCE!r}"
            raise InvalidInput(msg)
        if "GDPR" in self.compliance and self.region not in EU_REGIONS:
            msg = f"region {self.region!r} is not in the EU, which GDPR was asked for with: one of {sorted(EU_REGIONS)!r}"
            raise InvalidInput(msg)
        if "HIPAA" in self.compliance and self.log_days < _SIX_YEARS:
            msg = f"log_days must be at least {_SIX_YEARS} for HIPAA (six years, 45 CFR 164.316(b)(2)(i)), not {self.log_days}"
            raise InvalidInput(msg)

    @classmethod
    def read(cls, config: AWSConfig | Mapping[str, object]) -> AWSConfig:
        """Return a config from a mapping with these names.

        Raises:
            InvalidInput: If a name is unknown or missing, or a value cannot be.
        """
        if isinstance(config, cls):
            return config
        if not isinstance(config, Mapping):
            msg = f"config must be an AWSConfig, or a mapping of its fields, not {config!r}"
            raise InvalidInput(msg)
        known = [each.name for each in fields(cls)]
        unknown = sorted(set(config) - set(known))
        missing = sorted({"cluster_name", "region", "certificate_arn", "image"} - set(config))
        if unknown or missing:
            words = f"does not know {unknown[0]!r}" if unknown else f"needs {missing[0]!r}"
            msg = f"config {words}: its fields are {', '.join(known)}"
            raise InvalidInput(msg)
        return cls(**config)  # type: ignore[arg-type]  # each field proves its own value


_SIX_YEARS = 2_192
