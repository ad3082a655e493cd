"""How a single instance is asked whether it is ready, or still alive."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal, TypeAlias, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT, Tagged

__all__ = ["CommandProbe", "HTTPProbe", "Probe", "Probes", "TCPProbe"]


_HOST = re.compile(r"[!-~]+")


def _check_timing(probe: HTTPProbe | TCPProbe | CommandProbe) -> None:
    _check.whole(probe.interval_ms, "probe interval_ms", low=10)
    _check.whole(probe.timeout_ms, "probe timeout_ms", low=10)
    _check.whole(probe.successes, "probe successes", low=1)
    _check.whole(probe.failures, "probe failures", low=1)
    _check.whole(probe.initial_delay_ms, "probe initial_delay_ms", low=0)


@final
@dataclass(frozen=True, slots=True)
class HTTPProbe:
    """Ask a path of the instance; it is well if the answer's status is 200 to 399.

    The range is that of Kubernetes' ``httpGet`` probes.

    Args:
        path: Absolute path, such as ``/health``.
        host: The ``Host`` header, or ``None`` for the address asked.
        interval_ms: Time between two attempts, at least 10 ms.
        timeout_ms: Time for one attempt.
        successes: Successes in a row after which an instance counts as well.
        failures: Failures in a row after which it no longer does.
        initial_delay_ms: Time after the start in which failures are not counted.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    path: str
    _: KW_ONLY
    host: str | None = None
    interval_ms: int = 250
    timeout_ms: int = 2_000
    successes: int = 1
    failures: int = 3
    initial_delay_ms: int = 0
    kind: Literal["http"] = "http"

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if (
            not isinstance(self.path, str)
            or not self.path.startswith("/")
            or any(c in self.path for c in "\r\n \0")
        ):
            msg = f"probe path {self.path!r} must begin with '/' and hold no blanks: write '/health'"
            raise InvalidInput(msg)
        if self.host is not None and (not isinstance(self.host, str) or not _HOST.fullmatch(self.host)):
            msg = f"probe host {self.host!r} must be a name such as 'shop.example', or None"
            raise InvalidInput(msg)
        _check_timing(self)


@final
@dataclass(frozen=True, slots=True)
class TCPProbe:
    """The instance is well if it accepts a connection. Arguments as in `HTTPProbe`.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    _: KW_ONLY
    interval_ms: int = 250
    timeout_ms: int = 2_000
    successes: int = 1
    failures: int = 3
    initial_delay_ms: int = 0
    kind: Literal["tcp"] = "tcp"

    def __post_init__(self) -> None:
        """Refuse impossible timings."""
        _check_timing(self)


@final
@dataclass(frozen=True, slots=True)
class CommandProbe:
    """The instance is well if a command exits with 0. Arguments as in `HTTPProbe`.

    Args:
        command: The argument vector; never given to a shell. ``{port}`` and ``{uds}`` are replaced.

    Raises:
        InvalidInput: If a value is out of range or the command is empty.
    """

    __pydantic_config__ = STRICT

    command: tuple[str, ...]
    _: KW_ONLY
    interval_ms: int = 1_000
    timeout_ms: int = 5_000
    successes: int = 1
    failures: int = 3
    initial_delay_ms: int = 0
    kind: Literal["command"] = "command"

    def __post_init__(self) -> None:
        """Refuse an empty command and impossible timings."""
        object.__setattr__(self, "command", _check.strings(self.command, "probe command"))
        if not self.command:
            msg = "probe command is empty: give the program and its arguments as a list"
            raise InvalidInput(msg)
        _check_timing(self)


Probe: TypeAlias = Annotated[HTTPProbe | TCPProbe | CommandProbe, Tagged()]
"""Any way to ask one instance."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """When an instance may serve, and when it must be restarted.

    Args:
        readiness: Gates traffic. ``None``: ready as soon as its port accepts connections
            (or, without a port, as soon as it runs).
        liveness: After its ``failures`` in a row the instance is restarted. ``None``: only when it exits.

    Raises:
        InvalidInput: If one is no probe.
    """

    __pydantic_config__ = STRICT

    readiness: Probe | None = None
    liveness: Probe | None = None

    def __post_init__(self) -> None:
        """Refuse what is no probe, such as a lone path."""
        for what, probe in (("readiness", self.readiness), ("liveness", self.liveness)):
            if probe is not None and not isinstance(probe, (HTTPProbe, TCPProbe, CommandProbe)):
                msg = f"{what} must be a probe, such as HTTPProbe('/health'), not {probe!r}"
                raise InvalidInput(msg)
