"""What is written down of an instance before it is started: all that a later program needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, cast, final

from fairdeploy.errors import StateError
from fairdeploy.model import CommandProbe, HTTPProbe, InstanceId, Probe, Probes, RevisionId, TCPProbe
from fairdeploy.model.canonical import plain

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model.canonical import JSON

__all__ = ["Record"]


@final
@dataclass(frozen=True, slots=True)
class Record:
    """An instance as it is to be started, today or after the next reboot. Also what `launch` reads.

    Args:
        id: The instance.
        revision: Whose copy it is.
        number: Its place in the order of starts.
        argv: With placeholders.
        cwd: Working directory.
        env: Whole environment but for secrets, with placeholders.
        secrets: Variable to the file (and key in it) that holds its value.
        config: The folder of configuration files.
        port: The port first given to it; the one it has is in its run file.
        uds: Its unix socket.
        probes: How it is asked.
        stop_signal: Asks it to finish.
        stop_grace_ms: Then SIGKILL.
    """

    id: InstanceId
    _: KW_ONLY
    revision: RevisionId
    number: int
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    config: str
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    port: int | None = None
    uds: str | None = None
    probes: Probes = field(default_factory=Probes)
    stop_signal: str = "SIGTERM"
    stop_grace_ms: int = 10_000

    def address(self, port: int | None) -> str | None:
        """Return where it listens, as the router wants it."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        return None if port is None else f"127.0.0.1:{port}"

    def filled(self, port: int | None) -> dict[str, str]:
        """Return what the placeholders stand for."""
        values = {"config": self.config, "revision": self.revision, "instance": self.id}
        if port is not None:
            values["port"] = str(port)
        if self.uds is not None:
            values["uds"] = self.uds
        return values

    def encoded(self, run: Path, ready: Path) -> dict[str, JSON]:
        """Return the record as `launch` and `decoded` read it."""
        found = cast("dict[str, JSON]", plain(self))
        return {**found, "values": cast("JSON", self.filled(self.port)), "run": str(run), "ready": str(ready)}

    @classmethod
    def decoded(cls, found: Mapping[str, JSON], path: Path) -> Record:
        """Return what was encoded.

        Raises:
            StateError: If it is not what this version writes.
        """
        own = {key: value for key, value in found.items() if key not in {"values", "run", "ready"}}
        try:
            probes = cast("dict[str, dict[str, JSON] | None]", own.pop("probes"))
            _refuse_other_types(own)
            argv = tuple(cast("list[str]", own.pop("argv")))
            return cls(argv=argv, probes=Probes(**{key: _probe(each) for key, each in probes.items()}), **own)  # type: ignore[arg-type]  # a wrong field is a TypeError
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise StateError(
                f"file {str(path)!r} was not written by this version ({error}): remove its target with the one that did"
            ) from error


_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "revision", "cwd", "config", "stop_signal"), (str,)),
    **dict.fromkeys(("number", "stop_grace_ms"), (int,)),
    **dict.fromkeys(("env", "secrets"), (dict,)),
    "argv": (list,),
    "port": (int, type(None)),
    "uds": (str, type(None)),
}


def _refuse_other_types(found: Mapping[str, JSON]) -> None:
    wrong = [key for key, value in found.items() if type(value) not in _TYPES[key]]
    if wrong:
        raise TypeError(f"another type in {wrong[0]!r}")
    places = [cast("dict[str, JSON]", place) for place in cast("dict[str, JSON]", found["secrets"]).values()]
    env = cast("dict[str, JSON]", found["env"]).values()
    texts = [*cast("list[JSON]", found["argv"]), *env, *(word for place in places for word in place.values())]
    if not all(isinstance(each, str) for each in texts) or any("path" not in place for place in places):
        raise TypeError("another type in 'argv', 'env' or 'secrets'")


def _probe(found: dict[str, JSON] | None) -> Probe | None:
    if found is None:
        return None
    kinds: dict[str, Callable[..., Probe]] = {"http": HTTPProbe, "tcp": TCPProbe, "command": CommandProbe}
    return kinds[str(found["kind"])](**{key: value for key, value in found.items() if key != "kind"})
