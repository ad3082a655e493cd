"""What runs: immutable, portable, content-addressed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import PurePosixPath
from typing import Literal, TypeAlias, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.canonical import digest
from fairdeploy.model.probe import Probes
from fairdeploy.model.secret import SecretRef

__all__ = ["Release", "RevisionId"]

RevisionId: TypeAlias = str
"""``version-<hash>``: one release as it stands on a backend."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PORT = re.compile(r"\{(port|uds)\}")


@final
@dataclass(frozen=True, slots=True)
class Release:
    """What runs, not where or how many.

    Args:
        version: A name that people know it by, such as ``"0.65.5"``.
        command: The argument vector, never given to a shell. ``{port}`` or ``{uds}`` (path of a
            unix socket) is where the instance must listen; ``{config}`` is the folder of
            `config`; ``{revision}`` and ``{instance}`` name the running copy. A command with
            neither ``{port}`` nor ``{uds}`` is a worker: it gets no traffic.
        image: A container image, for backends that run containers.
        env: Environment variables; values may hold the placeholders above or be a `SecretRef`.
        config: Text files by relative path, written beside each revision.
        workdir: Absolute working directory, or ``None`` for a folder of the revision's own.
        probes: Readiness and liveness.
        stop_signal: The signal that asks an instance to finish.
        stop_grace_ms: Time between that signal and SIGKILL.

    Raises:
        InvalidInput: If a value is out of range, or neither command nor image is given.

    Example:
        >>> release = Release("1.4", command=["serve", "--port", "{port}"])
        >>> release.revision.startswith("1.4-")
        True
    """

    __pydantic_config__ = STRICT

    version: str
    _: KW_ONLY
    command: tuple[str, ...] | list[str] = ()
    image: str | None = None
    env: Mapping[str, str | SecretRef] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    probes: Probes = field(default_factory=Probes)
    stop_signal: Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] = "SIGTERM"
    stop_grace_ms: int = 10_000

    def __post_init__(self) -> None:
        """Prove everything that can be proved without a backend."""
        if not isinstance(self.version, str) or not self.version.strip() or len(self.version) > 128:
            msg = f"release version {self.version!r} must be a text of 1 to 128 characters, such as '1.4.2'"
            raise InvalidInput(msg)
        object.__setattr__(self, "command", _check.strings(self.command, "release command"))
        if not self.command and self.image is None:
            msg = f"release {self.version!r} says nothing to run: give command=[...] or image='...'"
            raise InvalidInput(msg)
        self._check_env()
        self._check_config()
        if self.workdir is not None and not PurePosixPath(self.workdir).is_absolute():
            msg = f"release workdir {self.workdir!r} must be an absolute path"
            raise InvalidInput(msg)
        _check.whole(self.stop_grace_ms, "release stop_grace_ms", low=0, high=3_600_000)

    def _check_env(self) -> None:
        for key, value in self.env.items():
            if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
                msg = f"environment variable {key!r} is not a name: use letters, digits and '_'"
                raise InvalidInput(msg)
            if not isinstance(value, SecretRef) and (not isinstance(value, str) or "\0" in value):
                msg = f"environment variable {key!r} must be a string or a SecretRef, not {type(value).__name__}"
                raise InvalidInput(msg)
        object.__setattr__(self, "env", _check.frozen_mapping(self.env))

    def _check_config(self) -> None:
        for path, text in self.config.items():
            pure = PurePosixPath(path)
            if not path or pure.is_absolute() or ".." in pure.parts or "\0" in path:
                msg = f"config file {path!r} must be a relative path that stays in its folder"
                raise InvalidInput(msg)
            if not isinstance(text, str):
                msg = f"config file {path!r} must hold text, not {type(text).__name__}"
                raise InvalidInput(msg)
        object.__setattr__(self, "config", _check.frozen_mapping(self.config))

    @property
    def revision(self) -> RevisionId:
        """The id of this content as a revision: ``<version>-<first 10 digits of its SHA-256>``."""
        slug = re.sub(r"[^a-z0-9.]+", "-", self.version.lower()).strip("-.") or "v"
        return f"{slug[:40]}-{digest(self)[:10]}"

    @property
    def serves(self) -> bool:
        """Whether instances listen, and so can be given traffic."""
        return self.image is not None or any(
            _PORT.search(word) for word in (*self.command, *self._env_texts())
        )

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """The environment variables that are secrets."""
        return {key: value for key, value in self.env.items() if isinstance(value, SecretRef)}

    def _env_texts(self) -> tuple[str, ...]:
        return tuple(value for value in self.env.values() if isinstance(value, str))
