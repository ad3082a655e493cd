"""What a later ``docker compose up`` by hand would find, and what an earlier one has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.backends.compose._project import MARK
from fairdeploy.host import _files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.backends.compose._observing import Found
    from fairdeploy.backends.compose._site import Site

__all__ = ["drift", "write"]

_HEAD = f"{MARK}: what is promoted of each service. It is written anew by every promotion.\nservices:\n"


def write(site: Site) -> None:
    """Write what is promoted of every service beside the user's files. Blocks: give it a thread.

    Raises:
        StateError: If it cannot be written.
    """
    text = "".join(part for service in site.project.services for part in _parts(site, service))
    if text:
        _files.write_text(site.project.persisted, _HEAD + text, durable=True)


def _parts(site: Site, service: str) -> Iterator[str]:
    place = site.owner(service)
    if place is None:
        return
    paper = place.read()
    record = paper.records.get(paper.stable or "")
    if record is not None:
        yield place.override(record.revision).read_text(encoding="utf-8").partition("services:\n")[2]
        yield f"    scale: {record.replicas}\n"  # no part of the hash: what runs is not made anew for it


def drift(seen: Found) -> tuple[str, ...]:
    """Return what is not as we left it."""
    awake = sorted(each.name for many in seen.kept.values() for each in many if each.state == "running")
    said = (
        [f"containers {awake!r} were kept stopped, and somebody has started them: they get no traffic here"]
        if awake
        else []
    )
    record = seen.paper.records.get(seen.paper.stable or "")
    if record is None:
        return tuple(said)
    there = len(seen.ours.get(record.revision, ()))
    if there < record.replicas:
        said.append(
            f"{there} of {record.replicas} containers of the stable revision {record.revision!r} are there: "
            "others have been removed; deploying its release again brings them back"
        )
    strangers = sorted(each.name for many in seen.found.values() for each in many)
    if strangers:
        said.append(
            f"containers {strangers!r} were made by Compose without us, perhaps by 'docker compose up': they get no "
            "traffic here, and a deployment leaves them alone"
        )
    return tuple(said)
