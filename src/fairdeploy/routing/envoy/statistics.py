"""Reading Envoy's statistics: which versions it has taken, and how much it has done. Parsing is pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final
from urllib.parse import quote

from fairdeploy.routing.envoy.admin import UNREADABLE, ask, unreadable
from fairdeploy.routing.envoy.listeners import ADMIN_SOCKET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Loaded", "Subject", "loaded", "parse_loaded", "started"]

_FILTER: Final = (
    r"^(cluster_manager\.cds|listener_manager\.lds|http\.main\.rds\.main|cluster\.s\d+)"
    r"\.(version_text|update_rejected|update_failure)$"
    r"|^http\.main\.downstream_cx_upgrades_active$|^server\.parent_connections$"
)
_STARTED: Final = re.compile(r'BootstrapConfigDump",\s*"last_updated": "([^"]+)"')


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What Envoy says about one file: the version in force, and how often one was refused."""

    version: str = ""
    refused: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What Envoy serves by.

    Args:
        subjects: By the prefix of their statistics.
        streams: Upgraded connections under way.
        parents: Connections that the Envoy before a hot restart still holds.
    """

    subjects: Mapping[str, Subject]
    streams: int = 0
    parents: int = 0

    def subject(self, name: str) -> Subject:
        """Return what is said about a file; nothing, if Envoy has not met it."""
        return self.subjects.get(name, Subject())


async def started(folder: Path) -> str:
    """Return when this Envoy started: differs from one process to the next.

    Raises:
        Unreachable: If Envoy does not answer.
    """
    text = await ask(folder, ADMIN_SOCKET, "/config_dump?mask=last_updated")
    found = _STARTED.search(text)
    return found[1] if found else ""


async def loaded(folder: Path) -> Loaded:
    """Return which versions Envoy has taken.

    Raises:
        Unreachable: If Envoy does not answer.
    """
    return parse_loaded(await ask(folder, ADMIN_SOCKET, f"/stats?filter={quote(_FILTER)}"))


def parse_loaded(text: str) -> Loaded:
    """Return what the statistics say.

    Raises:
        RouterError: If they are none that Envoy gives.

    Example:
        >>> parse_loaded('cluster.s1.version_text: "7"').subject("cluster.s1").version
        '7'
    """
    try:
        return _parsed(text)
    except UNREADABLE as exc:
        raise unreadable("statistics", exc) from exc


def _parsed(text: str) -> Loaded:
    values = dict(line.rsplit(": ", 1) for line in text.splitlines() if ": " in line)
    names = {name.rsplit(".", 1)[0] for name in values if name.endswith(".version_text")}
    names |= {
        name.rsplit(".", 1)[0] for name in values if name.endswith((".update_rejected", ".update_failure"))
    }
    subjects = {
        name: Subject(
            version=values.get(f"{name}.version_text", "").strip('"'),
            refused=int(values.get(f"{name}.update_rejected", 0))
            + int(values.get(f"{name}.update_failure", 0)),
        )
        for name in names
    }
    return Loaded(
        subjects=subjects,
        streams=int(values.get("http.main.downstream_cx_upgrades_active", 0)),
        parents=int(values.get("server.parent_connections", 0)),
    )
