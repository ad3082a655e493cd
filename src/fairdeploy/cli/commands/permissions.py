"""What a deployer must be allowed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from cyclopts import Parameter

from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.errors import InvalidInput
from fairdeploy.strategies import Approved, Windowed

if TYPE_CHECKING:
    from fairdeploy.protocols import Strategy

__all__ = ["permissions"]

_IAM = {"BlueGreen": "blue_green", "Canary": "canary", "Recreate": "recreate", "Rolling": "rolling"}


async def permissions(
    target: str,
    *,
    strategy: str | None = None,
    gateway: str | None = None,
    service: str | None = None,
    deployment: str | None = None,
    account: str | None = None,
    role: Annotated[tuple[str, ...], Parameter(name="--role", negative="")] = (),
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Print what a deployer must be allowed on a target, and no more: a Role of Kubernetes, or a policy of IAM.

    Args:
        target: Name of the target in the configuration.
        strategy: Name of the strategy in the configuration.
        gateway: Of Kubernetes, if that is what splits traffic.
        service: Of Kubernetes, if that is.
        deployment: Of Kubernetes, if the platform rolls it by itself.
        account: Of AWS, twelve digits.
        role: ARN of a role that the task definition names; may be given several times.
    """
    configuration = shared.configuration()
    deployable = configuration.deployable(target)
    how = configuration.strategy(strategy or deployable.strategy)
    uri = configuration.backends[deployable.backend]
    match urlsplit(uri).scheme:
        case "kubernetes":
            from fairdeploy.backends.kubernetes.permissions import required_permissions  # noqa: PLC0415 -- of an extra

            found = required_permissions(
                how, deployable.target, gateway=gateway, service=service, deployment=deployment
            )
            document, text = found.role(), str(found)
        case "ecs":
            document = _policy(uri, how, account, role)
            text = json.dumps(document, indent=2)
        case scheme:
            raise InvalidInput(
                f"{scheme}:// needs no permission but those of its user: nothing is to be granted"
            )
    shared.out.result(document, text, kind="permissions")
    return ExitCode.OK


def _policy(uri: str, strategy: Strategy, account: str | None, roles: tuple[str, ...]) -> dict[str, Any]:
    from fairdeploy.backends.ecs.place import Place  # noqa: PLC0415 -- of an extra
    from fairdeploy.provision.permissions import deploying  # noqa: PLC0415 -- as above

    if account is None or not roles:
        raise InvalidInput(
            "a policy of IAM needs --account and --role, once for each role of the task definition"
        )
    place = Place.parse(uri)
    while isinstance(strategy, (Approved, Windowed)):
        strategy = strategy.inner
    return deploying(
        cast("Literal['rolling', 'recreate', 'blue_green', 'canary']", _IAM.get(type(strategy).__name__, "")),
        account=account,
        region=place.region,
        cluster=place.cluster,
        service=place.service,
        roles=roles,
        scaling=place.scaling,
    ).document()
