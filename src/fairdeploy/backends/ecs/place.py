"""Which service, where: what a URI of this backend says."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fairdeploy.errors import InvalidInput

__all__ = ["Place"]

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_OPTIONS = frozenset({"rule", "spare", "endpoint", "journal"})
_SWITCHES = frozenset({"scaling", "delegated"})


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A service that is adopted.

    Args:
        region: Such as ``"eu-central-1"``.
        cluster: The cluster's name.
        service: The service's name. It stays: as the stable revision, then, with no tasks, as the pattern for others.
        rule: ARN of the listener or listener rule that splits the traffic; ``None``: the one that forwards to the
            service's target group.
        spare: ARN of a target group for the other revision; ``None``: those that the rule forwards to are enough.
        endpoint: Another address for every service of AWS, for an emulator.
        journal: Address of a journal that is not this user's own on this machine, as `Findable.address` gives it.
        scaling: Whether auto scaling is asked about and follows the stable revision; without it, it is left alone.
        delegated: Whether ECS itself rolls the service out, for `Delegated`; else revisions are services beside it.

    Raises:
        InvalidInput: If a name cannot be one.
    """

    region: str
    _: KW_ONLY
    cluster: str
    service: str
    rule: str | None = None
    spare: str | None = None
    endpoint: str | None = None
    journal: str | None = None
    scaling: bool = True
    delegated: bool = False

    def __post_init__(self) -> None:
        """Refuse what AWS would not know, before it is asked."""
        if not _REGION.fullmatch(self.region):
            msg = f"{self.region!r} is no region: give one such as 'eu-central-1'"
            raise InvalidInput(msg)
        for what, name in (("cluster", self.cluster), ("service", self.service)):
            if not _NAME.fullmatch(name):
                msg = f"{what} {name!r} is no name in ECS: use letters, digits, '_' and '-', at most 255"
                raise InvalidInput(msg)
        for what, arn in (("rule", self.rule), ("spare", self.spare)):
            if arn is not None and ":elasticloadbalancing:" not in arn:
                msg = f"{what} must be an ARN of Elastic Load Balancing, not {arn!r}"
                raise InvalidInput(msg)

    @classmethod
    def parse(cls, uri: str) -> Place:
        """Return what a URI says: ``ecs://region/cluster/service``, with ``?rule=...&spare=...`` where needed.

        Raises:
            InvalidInput: If it is no such URI.
        """
        try:
            parts = urlsplit(uri)
        except ValueError as error:
            msg = f"{uri!r} is no URI ({error}): write 'ecs://eu-central-1/cluster/service'"
            raise InvalidInput(msg) from error
        path = parts.path.strip("/").split("/")
        options = dict(parse_qsl(parts.query))
        if parts.scheme != "ecs" or len(path) != 2 or set(options) - _OPTIONS - _SWITCHES:  # cluster, service
            msg = f"{uri!r} is no URI of this backend: write 'ecs://eu-central-1/cluster/service'"
            raise InvalidInput(msg)
        scaling = options.pop("scaling", "yes") != "no"
        delegated = options.pop("delegated", "no") == "yes"
        return cls(
            parts.netloc, cluster=path[0], service=path[1], scaling=scaling, delegated=delegated, **options
        )

    @property
    def uri(self) -> str:
        """How to open the same again."""
        options = {name: getattr(self, name) for name in sorted(_OPTIONS)}
        options["scaling"] = None if self.scaling else "no"
        options["delegated"] = "yes" if self.delegated else None
        query = urlencode({name: value for name, value in options.items() if value})
        return f"ecs://{self.region}/{quote(self.cluster)}/{quote(self.service)}" + (
            f"?{query}" if query else ""
        )
