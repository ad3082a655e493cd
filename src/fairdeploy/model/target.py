"""Where a release runs. May change without a new revision."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import KW_ONLY, dataclass
from typing import TypeAlias, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT

__all__ = ["TLS", "Target", "TargetId"]

TargetId: TypeAlias = str
"""``app/environment``."""

_MAX_PORT = 65_535
_ENDPOINT = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%A-Za-z]+\]):(?P<port>[0-9]{1,5})")


@final
@dataclass(frozen=True, slots=True)
class TLS:
    """Certificate and key, as PEM files that may be renewed in place by rename.

    Args:
        certificate: Absolute path of the chain.
        key: Absolute path of the private key. Only its path is ever recorded.

    Raises:
        InvalidInput: If a path is not absolute.
    """

    __pydantic_config__ = STRICT

    certificate: str
    key: str

    def __post_init__(self) -> None:
        """Refuse relative paths: the router outlives the program that named them."""
        _check.absolute(self.certificate, "TLS certificate")
        _check.absolute(self.key, "TLS key")


@final
@dataclass(frozen=True, slots=True)
class Target:
    """An application in an environment, and how it is reached there.

    Args:
        app: The application's name.
        environment: Such as ``"production"``.
        replicas: Instances wanted, or ``None`` to leave the number to an autoscaler.
        endpoint: ``host:port`` where the router listens, or ``None`` for workers.
        tls: Terminate TLS at the endpoint.
        plaintext: Allow plain HTTP on an address that is not loopback.
        sticky: Keep a visitor on the revision first given, as far as the split allows.
        drain_ms: Time for requests in flight to finish before an instance is stopped.
        stream_drain_ms: The same for upgraded connections (websockets), counted from the same moment.

    Raises:
        InvalidInput: If a name, number or address is out of range, or plain HTTP would leave the machine.
    """

    __pydantic_config__ = STRICT

    app: str
    _: KW_ONLY
    environment: str = "production"
    replicas: int | None = 1
    endpoint: str | None = None
    tls: TLS | None = None
    plaintext: bool = False
    sticky: bool = False
    drain_ms: int = 30_000
    stream_drain_ms: int = 60_000

    def __post_init__(self) -> None:
        """Prove names, numbers and the address."""
        _check.name(self.app, "app")
        _check.name(self.environment, "environment")
        if self.replicas is not None:
            _check.whole(self.replicas, "replicas", low=1, high=10_000)
        _check.whole(self.drain_ms, "drain_ms", low=0)
        _check.whole(self.stream_drain_ms, "stream_drain_ms", low=0)
        _check.flag(self.plaintext, "plaintext")
        _check.flag(self.sticky, "sticky")
        if self.tls is not None and not isinstance(self.tls, TLS):
            msg = f"tls must be TLS(certificate, key), not {self.tls!r}"
            raise InvalidInput(msg)
        if self.endpoint is not None:
            host, _port = self.address
            if self.tls is None and not self.plaintext and not _is_loopback(host):
                msg = (
                    f"endpoint {self.endpoint!r} would speak plain HTTP beyond this machine: "
                    "give tls=TLS(certificate, key), or plaintext=True if that is meant"
                )
                raise InvalidInput(msg)

    @property
    def id(self) -> TargetId:
        """``app/environment``: what leases and journals know the target by."""
        return f"{self.app}/{self.environment}"

    @property
    def address(self) -> tuple[str, int]:
        """The endpoint's host and port.

        Raises:
            InvalidInput: If there is no endpoint, or it is not ``host:port``.
        """
        if self.endpoint is None:
            msg = f"target {self.id!r} has no endpoint: give endpoint='127.0.0.1:8080'"
            raise InvalidInput(msg)
        found = _ENDPOINT.fullmatch(self.endpoint) if isinstance(self.endpoint, str) else None
        host, port = (
            (found["host"].removeprefix("[").removesuffix("]"), found["port"]) if found else ("", "0")
        )
        if not 0 < int(port) <= _MAX_PORT:
            msg = f"endpoint {self.endpoint!r} must be 'host:port', such as '127.0.0.1:8080' or '[::1]:8080'"
            raise InvalidInput(msg)
        return host, int(port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
