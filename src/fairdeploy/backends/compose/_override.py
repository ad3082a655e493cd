"""What Compose is told beside the user's own files: only what a release changes. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from fairdeploy.backends.compose._container import OURS
from fairdeploy.backends.compose._project import MARK
from fairdeploy.errors import StartError
from fairdeploy.model import CommandProbe, Probes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Release
    from fairdeploy.model.canonical import JSON

__all__ = ["CONFIG", "filled", "override", "probes", "variable"]

CONFIG = "/run/fairdeploy/config"
"""Where a container finds `Release.config`: ``{config}``."""
_PLACEHOLDER = re.compile(r"\{(port|uds|config|revision|instance)\}")


def override(
    release: Release, *, service: str, image: str, port: int | None, config: str, labels: Mapping[str, str]
) -> str:
    """Return the override file of a release, as YAML.

    Published ports and a fixed name go: two containers cannot share them, and the router has the one and knows
    nothing of the other. No network is named: a change of one would stop every container on it.

    Args:
        release: What is to run.
        service: Of which service.
        image: Id of its image.
        port: Where it listens.
        config: The folder on this machine that holds its configuration files.
        labels: Ours, less their prefix.

    Raises:
        StartError: If a placeholder has no meaning in a container.
    """
    said: dict[str, JSON] = {"image": image, "pull_policy": "never"}
    if release.command:
        said["command"] = [_dollars(filled(word, release, port)) for word in release.command]
    if release.env:
        said["environment"] = {
            name: _dollars(filled(value, release, port))
            if isinstance(value, str)
            else f"${{{variable(name)}?}}"
            for name, value in release.env.items()
        }
    if release.workdir is not None:
        said["working_dir"] = _dollars(release.workdir)
    if release.config:
        said["volumes"] = [{"type": "bind", "source": _dollars(config), "target": CONFIG, "read_only": True}]
    if release.stop_signal != "SIGTERM":
        said["stop_signal"] = release.stop_signal
    if release.stop_grace_ms != 10_000:
        said["stop_grace_period"] = f"{release.stop_grace_ms}ms"
    said["labels"] = {f"{OURS}{key}": _dollars(value) for key, value in labels.items()}
    lines = [f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in said.items()]
    return "\n".join(
        [
            f"{MARK}: what revision {release.revision} changes of service {json.dumps(service)}.",
            "services:",
            f"  {json.dumps(service)}:",
            *lines,
            "    ports: !reset []",
            "    container_name: !reset null",
            "",
        ]
    )


def filled(text: str, release: Release, port: int | None) -> str:
    """Return a word with its placeholders replaced.

    Raises:
        StartError: If one has no meaning in a container.
    """
    values = {"config": CONFIG, "revision": release.revision}
    if port is not None:
        values["port"] = str(port)

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            why = {
                "uds": "containers are reached by address and port: use {port}",
                "instance": "a container has its own id as its host name: use that",
                "port": "nothing says where it listens: give open(port=...), or 'ports' or 'expose' in the file",
            }[found[1]]
            raise StartError(
                f"release {release.version!r} has the placeholder {found[0]!r} in {text!r}: {why}"
            )
        return values[found[1]]

    return _PLACEHOLDER.sub(value, text)


def probes(release: Release, port: int | None) -> Probes:
    """Return the probes of a release, with the placeholders of commands replaced.

    Raises:
        StartError: If one has no meaning in a container.
    """
    said = {each.name: getattr(release.probes, each.name) for each in fields(Probes)}
    for name, probe in said.items():
        if isinstance(probe, CommandProbe):
            command = tuple(filled(word, release, port) for word in probe.command)
            said[name] = replace(probe, command=command)
    return Probes(**said)


def variable(name: str) -> str:
    """Return the name by which Compose finds a secret in its own environment, for as long as it runs."""
    return f"FAIRDEPLOY_SECRET_{name}"


def _dollars(text: str) -> str:
    """Keep Compose from reading ``$``."""
    return text.replace("$", "$$")
