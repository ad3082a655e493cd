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
_NAME_MAX = 240
"""Bytes of one part of a path: what Linux takes, less what a file has while it is written."""
_STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2")


def _stays(path: str) -> bool:
    """Whether a path is a file's, in one spelling, below the folder that it is relative to."""
    parts = path.split("/")
    return "\0" not in path and all(
        part not in {"", ".", ".."} and len(part.encode(errors="replace")) <= _NAME_MAX for part in parts
    )


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
        if self.command and not self.command[0]:
            msg = f"release {self.version!r} names no program: the first of {self.command!r} is empty"
            raise InvalidInput(msg)
        if self.image is not None and (not isinstance(self.image, str) or not self.image):
            msg = f"release image {self.image!r} must be a name, such as 'registry/app:1.4'"
            raise InvalidInput(msg)
        self._check_env()
        self._check_config()
        if self.workdir is not None:
            _check.absolute(self.workdir, "release workdir")
        self._check_running()

    def _check_running(self) -> None:
        if not isinstance(self.probes, Probes):
            msg = f"release probes must be Probes(readiness=...), not {self.probes!r}"
            raise InvalidInput(msg)
        if self.stop_signal not in _STOP_SIGNALS:
            msg = f"release stop_signal must be one of {list(_STOP_SIGNALS)!r}, not {self.stop_signal!r}"
            raise InvalidInput(msg)
        _check.whole(self.stop_grace_ms, "release stop_grace_ms", low=0, high=3_600_000)

    def _check_env(self) -> None:
        _check.mapping(self.env, "release env", "{'LOG_LEVEL': 'info'}")
        for key, value in self.env.items():
            if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
                msg = f"environment variable {key!r} is not a name: use letters, digits and '_'"
                raise InvalidInput(msg)
            if not isinstance(value, SecretRef) and (not isinstance(value, str) or "\0" in value):
                msg = f"environment variable {key!r} must be a string or a SecretRef, not {type(value).__name__}"
                raise InvalidInput(msg)
        object.__setattr__(self, "env", _check.frozen_mapping(self.env))

    def _check_config(self) -> None:
        _check.mapping(self.config, "release config", "{'app.ini': '...'}")
        folders = {str(above) for path in self.config for above in PurePosixPath(str(path)).parents}
        for path, text in self.config.items():
            if not isinstance(path, str) or not _stays(path):
                msg = f"config file {path!r} must be a relative path that stays in its folder, such as 'etc/app.ini'"
                raise InvalidInput(msg)
            if path in folders:
                msg = f"config file {path!r} cannot be a folder for other config files as well: rename one"
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
