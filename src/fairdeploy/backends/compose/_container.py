"""A container as the engine shows it: what is needed of it, read once."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Final, cast, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model.canonical import JSON

__all__ = ["COMPOSE", "EPHEMERAL", "OURS", "Container"]

COMPOSE: Final = "com.docker.compose."
"""Prefix of Compose's own labels; we read them and never write them."""
OURS: Final = "io.fairdeploy."
"""Prefix of ours."""
EPHEMERAL: Final = "0001-"
"""How the engine writes the time of what has never happened."""
_GRACE: Final = 10.0
"""Seconds; Docker's own default."""


@final
@dataclass(frozen=True, slots=True)
class Container:
    """What is known of one container.

    Args:
        id: The engine's id of 64 digits.
        name: Its name.
        labels: All of them.
        created: When, as the engine writes it.
        state: ``created``, ``running``, ``paused``, ``restarting``, ``removing``, ``exited`` or ``dead``.
        started: When its present process was started; empty if it never was.
        address: Its address on each network.
        image: Id of its image.
        exit_code: Of its last process.
        error: Why it could not be started.
        restarts: How often the engine has restarted it.
        health: What Docker's own check says: ``starting``, ``healthy``, ``unhealthy``, or empty without one.
        grace_s: Seconds between its stop signal and SIGKILL.
        published: TCP ports of this machine that Docker has opened for it.
        environment: Variables, secrets included: never to be shown.
    """

    id: str
    _: KW_ONLY
    name: str
    labels: Mapping[str, str]
    created: str
    state: str
    started: str
    address: Mapping[str, str]
    image: str
    exit_code: int = 0
    error: str = ""
    restarts: int = 0
    health: str = ""
    grace_s: float = _GRACE
    published: frozenset[int] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, shown: Mapping[str, JSON]) -> Container:
        """Read what the engine shows."""
        state, config = _part(shown, "State"), _part(shown, "Config")
        networks = _part(_part(shown, "NetworkSettings"), "Networks")
        addresses = {
            name: _text(cast("dict[str, JSON]", each), "IPAddress") for name, each in networks.items()
        }
        started, grace = _text(state, "StartedAt"), config.get("StopTimeout")
        variables = (str(each).partition("=") for each in cast("list[str]", config.get("Env") or []))
        return cls(
            _text(shown, "Id"),
            name=_text(shown, "Name").removeprefix("/"),
            labels={key: str(value) for key, value in _part(config, "Labels").items()},
            created=_text(shown, "Created"),
            state=_text(state, "Status"),
            started="" if started.startswith(EPHEMERAL) else started,
            address={name: address for name, address in addresses.items() if address},
            image=_text(shown, "Image"),
            exit_code=_number(state, "ExitCode"),
            error=_text(state, "Error"),
            restarts=_number(shown, "RestartCount"),
            health=_text(_part(state, "Health"), "Status"),
            grace_s=float(grace) if isinstance(grace, int) else _GRACE,
            published=_published(_part(shown, "NetworkSettings")),
            environment={key: value for key, _, value in variables},
        )

    @property
    def instance(self) -> str:
        """Its id as an instance: the twelve digits that ``docker ps`` shows."""
        return self.id[:12]

    @property
    def number(self) -> int:
        """Compose's number of it."""
        found = self.labels.get(f"{COMPOSE}container-number", "")
        return int(found) if found.isdecimal() else 0

    @property
    def target(self) -> str | None:
        """Whose it is, if it is ours."""
        return self.labels.get(f"{OURS}target")

    @property
    def revision(self) -> str:
        """Of which revision: ours by name, another's by the hash that Compose gave its configuration."""
        return (
            self.labels.get(f"{OURS}revision") or f"found-{self.labels.get(f'{COMPOSE}config-hash', '')[:10]}"
        )

    @property
    def begun(self) -> bool:
        """Whether it was ever started."""
        return bool(self.started)


def _published(network: Mapping[str, JSON]) -> frozenset[int]:
    ports = cast("dict[str, list[dict[str, str]] | None]", _part(network, "Ports"))
    bound = (each for port, many in ports.items() if port.endswith("/tcp") for each in many or ())
    return frozenset(int(each["HostPort"]) for each in bound if each.get("HostPort", "").isdecimal())


def _part(found: Mapping[str, JSON], key: str) -> dict[str, JSON]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}


def _text(found: Mapping[str, JSON], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _number(found: Mapping[str, JSON], key: str) -> int:
    value = found.get(key)
    return value if isinstance(value, int) else 0
