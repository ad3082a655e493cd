"""What ``fairdeploy.toml`` says: backends, checks, strategies and targets, each by a name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from fairdeploy.configuration.strategy import read_strategy
from fairdeploy.configuration.values import CHECKS, made, of_kind, table
from fairdeploy.errors import InvalidInput
from fairdeploy.model import Check, Release, Target

if TYPE_CHECKING:
    from fairdeploy.protocols import Strategy

__all__ = ["FILE", "Assistants", "Configuration", "Deployable", "read_configuration", "released"]

FILE: Final = "fairdeploy.toml"
_LARGEST: Final = 1 << 20
_TABLES: Final = ("assistants", "backends", "bindings", "checks", "provision", "strategies", "targets")
_OF_TARGET: Final = ("backend", "checks", "release", "strategy")


@final
@dataclass(frozen=True, slots=True)
class Deployable:
    """A target, with what goes there and how.

    Args:
        target: Where.
        backend: Name of its backend.
        release: What, unless the command line says another version.
        strategy: Name of how; ``None``: the only one there is, else it must be said.
        checks: Names of what its health is asked by.
    """

    target: Target
    _: KW_ONLY
    backend: str
    release: Release | None = None
    strategy: str | None = None
    checks: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Assistants:
    """What programs that speak the Model Context Protocol may do.

    Args:
        targets: What they may look at; ``None``: every target.
        apply: Where they may run a plan that a person has approved.
    """

    targets: tuple[str, ...] | None = None
    apply: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the file says.

    Args:
        file: Where it was read.
        backends: URIs by name.
        checks: By name.
        strategies: By name.
        deployables: Targets by name.
        bindings: Module that declares ``checks`` and ``sources`` of your own.
        assistants: What programs that speak the Model Context Protocol may do.
        provisions: What is to be brought up, by name: tables that `fairdeploy.configuration.provisioning` reads.
    """

    file: Path
    backends: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    deployables: Mapping[str, Deployable] = field(default_factory=dict)
    bindings: str | None = None
    assistants: Assistants = field(default_factory=Assistants)
    provisions: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def deployable(self, name: str) -> Deployable:
        """Return a target by its name.

        Raises:
            InvalidInput: If the file names no such target.
        """
        _refuse_missing(self.deployables, name, "target", self.file)
        return self.deployables[name]

    def provision(self, name: str) -> Mapping[str, object]:
        """Return what is to be brought up, by its name.

        Raises:
            InvalidInput: If the file names no such thing.
        """
        _refuse_missing(self.provisions, name, "provision", self.file)
        return self.provisions[name]

    def strategy(self, name: str | None) -> Strategy:
        """Return a strategy by its name; without one, the only one there is.

        Raises:
            InvalidInput: If there is no such strategy, or several to choose from.
        """
        if name is None and len(self.strategies) == 1:
            return next(iter(self.strategies.values()))
        if name is None:
            msg = f"say which strategy: --strategy, or 'strategy' of the target; {self.file} has {sorted(self.strategies)!r}"
            raise InvalidInput(msg)
        _refuse_missing(self.strategies, name, "strategy", self.file)
        return self.strategies[name]


def read_configuration(path: Path) -> Configuration:
    """Return what a file says.

    Relative ``local://`` folders are relative to the file.

    Raises:
        InvalidInput: If it cannot be read; the message names the file, the table and the key.
    """
    content = _content(path)
    _refuse_unknown(content, _TABLES, f"{path}")
    checks: dict[str, Check] = {
        name: of_kind(CHECKS, value, f"{path}: checks.{name}")
        for name, value in _table(content, "checks", path).items()
    }
    strategies = {
        name: read_strategy(value, checks, f"{path}: strategies.{name}")
        for name, value in _table(content, "strategies", path).items()
    }
    backends = {name: _uri(value, name, path) for name, value in _table(content, "backends", path).items()}
    found = Configuration(
        file=path,
        backends=backends,
        checks=checks,
        strategies=strategies,
        deployables={
            name: _deployable(name, value, path) for name, value in _table(content, "targets", path).items()
        },
        bindings=_text(content.get("bindings"), "bindings", path),
        assistants=_assistants(_table(content, "assistants", path), path),
        provisions={
            name: table(value, f"{path}: provision.{name}")
            for name, value in _table(content, "provision", path).items()
        },
    )
    for name, each in found.deployables.items():
        _refuse_dangling(found, name, each)
    allowed = found.assistants
    for name in (*(allowed.targets or ()), *allowed.apply):
        _refuse_missing(found.deployables, name, "target of assistants", path)
    return found


def _assistants(given: Mapping[str, object], path: Path) -> Assistants:
    _refuse_unknown(given, ("apply", "targets"), f"{path}: assistants")
    targets = _names(given["targets"], "assistants.targets", path) if "targets" in given else None
    apply = _names(given.get("apply"), "assistants.apply", path)
    unseen = sorted(set(apply) - set(targets)) if targets is not None else []
    if unseen:
        raise InvalidInput(f"{path}: assistants.apply has {unseen[0]!r}, which assistants.targets has not")
    return Assistants(targets=targets, apply=apply)


def _names(value: object, where: str, path: Path) -> tuple[str, ...]:
    names = [] if value is None else value
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise InvalidInput(f"{path}: {where} must be a list of names, not {names!r}")
    return tuple(names)


def _content(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError as error:
        msg = (
            f"configuration {str(path)!r} cannot be read ({error.strerror}): give one with --config, or begin "
            f"with an example: fairdeploy schema --example > {FILE}"
        )
        raise InvalidInput(msg) from error
    if len(text) > _LARGEST:
        raise InvalidInput(f"configuration {str(path)!r} is larger than 1 MiB")
    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, or a number too long for int
        raise InvalidInput(f"configuration {str(path)!r} is no TOML: {error}") from error


def _deployable(name: str, value: object, path: Path) -> Deployable:
    given = dict(table(value, f"{path}: targets.{name}"))
    own = {key: given.pop(key, None) for key in _OF_TARGET}
    target: Target = made(Target, {"app": name, **given}, f"{path}: targets.{name}")
    release: Release | None = None
    if own["release"] is not None:
        release = made(Release, own["release"], f"{path}: targets.{name}.release")
    backend = _text(own["backend"], f"targets.{name}.backend", path)
    if backend is None:
        raise InvalidInput(f'{path}: targets.{name} names no backend: backend = "...", one of [backends]')
    checks = _names(own["checks"], f"targets.{name}.checks", path)
    strategy = _text(own["strategy"], f"targets.{name}.strategy", path)
    return Deployable(target, backend=backend, release=release, strategy=strategy, checks=checks)


def released(deployable: Deployable, *, version: str | None, image: str | None) -> Release:
    """Return the release that a target's file and the command line give together.

    ``{version}`` in command, environment, image and workdir is the version.

    Raises:
        InvalidInput: If the file has no release for the target.
    """
    release = deployable.release
    if release is None:
        msg = f"target {deployable.target.id!r} has no release: write [targets.<name>.release] with what runs"
        raise InvalidInput(msg)
    release = replace(release, version=version or release.version, image=image or release.image)
    return replace(
        release,
        command=tuple(_versioned(word, release) for word in release.command),
        env={
            key: _versioned(value, release) if isinstance(value, str) else value
            for key, value in release.env.items()
        },
        image=release.image and _versioned(release.image, release),
        workdir=release.workdir and _versioned(release.workdir, release),
    )


def _versioned(text: str, release: Release) -> str:
    return text.replace("{version}", release.version)


def _refuse_dangling(found: Configuration, name: str, each: Deployable) -> None:
    _refuse_missing(found.backends, each.backend, f"backend of targets.{name}", found.file)
    if each.strategy is not None:
        _refuse_missing(found.strategies, each.strategy, f"strategy of targets.{name}", found.file)
    if found.bindings is None:  # else it may be one of the module's
        for check in each.checks:
            _refuse_missing(found.checks, check, f"check of targets.{name}", found.file)


def _uri(value: object, name: str, path: Path) -> str:
    text = _text(value, f"backends.{name}", path)
    if not text:
        raise InvalidInput(f'{path}: backends.{name} must be a URI, such as "local://deployments"')
    folder = text.removeprefix("local://")
    if folder != text and not folder.startswith("/"):
        return f"local://{path.parent.absolute() / folder}"
    return text


def _table(content: Mapping[str, object], name: str, path: Path) -> Mapping[str, object]:
    return table(content.get(name, {}), f"{path}: {name}")


def _text(value: object, where: str, path: Path) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidInput(f"{path}: {where} must be text, not {value!r}")


def _refuse_missing(known: Mapping[str, object], name: str, what: str, path: Path) -> None:
    if name not in known:
        raise InvalidInput(f"{path} has no {what} {name!r}: it has {sorted(known)!r}")


def _refuse_unknown(content: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise InvalidInput(f"{where} has no key {unknown[0]!r}: choose from {', '.join(map(repr, known))}")
