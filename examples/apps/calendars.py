"""Radicale, a CalDAV server: a WSGI application that people write to with PUT.

What was seen of Radicale 3.8.3 and 3.9.0 (own server, one process, two shared cores), because it decides how the
example is built:

- Ready 0.5 s after its start, 30 MB; 350 reads/s, and 60 writes/s because each is synced to disk. It answers in
  HTTP/1.0, one connection a request, and refuses chunked bodies with 400: give a `Content-Length`.
- Several processes, also of both releases, may share one storage folder; it is locked by file.
- At SIGTERM it finishes what is in flight, an upload half sent included, and exits 0. But while it waits, the kernel
  still accepts connections for it which nobody will answer: they are lost at the exit. A router must have taken the
  instance out *before* the signal, which is what draining is for.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.environments import Say, locked, prepare_environment
from apps.release import AppRelease

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ACCOUNT", "Calendars", "event", "prepare_calendars"]

ACCOUNT = ("ada", "not-checked")
"""Radicale is told to believe every name: it listens on loopback, and the example is not about passwords."""

_CONFIG = """\
[server]
max_connections = 64
[auth]
type = none
[rights]
type = owner_only
[storage]
filesystem_folder = {storage}
[logging]
level = warning
[headers]
X-Revision = {version}
"""

_EVENT = (
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//examples//calendars//EN",
    "BEGIN:VEVENT",
    "UID:{uid}",
    "DTSTAMP:20250101T000000Z",
    "DTSTART:20250101T060000Z",
    "SUMMARY:{summary}",
    "END:VEVENT",
    "END:VCALENDAR",
    "",
)


@dataclass(frozen=True, slots=True)
class Calendars:
    """Everything that the example needs, on disk.

    Args:
        storage: The folder that all releases share.
        current: Radicale 3.8.3.
        newer: Radicale 3.9.0.
    """

    storage: Path
    _: KW_ONLY
    current: AppRelease
    newer: AppRelease


async def prepare_calendars(cache: Path, folder: Path, say: Say) -> Calendars:
    """Fetch both Radicales.

    Args:
        cache: Where downloads are kept between runs, from `cache_folder`.
        folder: The folder of this run.
        say: Is told what is downloaded.

    Returns:
        The releases and the folder of their calendars.

    Raises:
        PreparationError: If something cannot be fetched from PyPI.
    """
    storage = folder / "storage"
    storage.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with locked(cache):
        old = await prepare_environment(cache, "radicale-3.8.3", say)
        new = await prepare_environment(cache, "radicale-3.9.0", say)
    return Calendars(storage, current=_release("3.8.3", old, storage), newer=_release("3.9.0", new, storage))


def event(uid: str, summary: str) -> bytes:
    """Write an event as iCalendar.

    Args:
        uid: Its identity; also the name under which it is put.
        summary: One line.

    Returns:
        The body of a PUT with `Content-Type: text/calendar`.
    """
    return "\r\n".join(_EVENT).format(uid=uid, summary=summary).encode()


def _release(version: str, environment: Path, storage: Path) -> AppRelease:
    python = str(environment / "bin" / "python")
    config: Mapping[str, str] = {"radicale.ini": _CONFIG.format(storage=storage, version=version)}
    return AppRelease(
        version,
        command=(
            python,
            "-m",
            "radicale",
            "--config",
            "{config}/radicale.ini",
            "--server-hosts",
            "127.0.0.1:{port}",
        ),
        health="/.web/",
        config=config,
    )
