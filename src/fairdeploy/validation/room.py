"""Whether there is room for a second copy of everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from fairdeploy.model import Aspect, Finding, Severity

__all__ = ["Copies", "Disk", "Machine", "cpu", "disk", "memory"]

_MIB = 1_048_576
_LEAST_DISK = 64 * _MIB
"""Below this nothing is started: journal, logs and sockets need room to be written at all."""
_SHORT_DISK = 1_024 * _MIB
_SHORT_SHARE = 0.05
"""Below this share file systems slow down, and ext4 keeps the rest for root (mke2fs: ``-m 5``)."""
_LEAST_INODES = 1_000
_SPARE_MEMORY = 128 * _MIB
_BUSY = 2.0
"""Waiting tasks for each processor, over a minute, from which a second copy would slow the first down."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine has left.

    Args:
        memory: Bytes that new programs can have without swapping, the control group's limit counted; ``None``: unknown.
        processors: How many this program may use.
        load: Mean number of tasks that run or wait over the last minute; ``None``: unknown.
    """

    memory: int | None
    processors: int
    load: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What a file system has left.

    Args:
        folder: A folder on it.
        free: Bytes that this user can still write.
        total: Bytes in all.
        inodes: Files that can still be made; ``None`` where they are not counted.
    """

    folder: str
    free: int
    total: int
    inodes: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What the new copies need.

    Args:
        replicas: How many.
        each: Bytes of memory of one, as one that runs has; ``None``: none runs yet.
    """

    replicas: int
    each: int | None


def disk(seen: Disk) -> Finding:
    """Judge the room on disk."""
    none = seen.free < _LEAST_DISK or (seen.inodes is not None and seen.inodes < _LEAST_INODES)
    short = none or seen.free < _SHORT_DISK or (seen.total > 0 and seen.free / seen.total < _SHORT_SHARE)
    left = f"{_said(seen.free)} of {_said(seen.total)}"
    files = "" if seen.inodes is None else f", {seen.inodes} files"
    return Finding(
        "disk",
        aspect=Aspect.CAPACITY,
        severity=Severity.CRITICAL if none else Severity.WARNING,
        passed=not short,
        message=f"{left}{files} can still be written in {seen.folder!r}",
        remedy=f"free at least {_said(_SHORT_DISK)} and 5 % (old logs, old revisions, images)"
        if short
        else "",
        evidence={"free": seen.free, "total": seen.total, "inodes": seen.inodes},
    )


def memory(seen: Machine, copies: Copies) -> tuple[Finding, ...]:
    """Judge the room in memory, by what a running copy needs; nothing is said before one runs."""
    if seen.memory is None or copies.each is None:
        return ()
    need = copies.replicas * copies.each
    none, short = need > seen.memory, need + _SPARE_MEMORY > seen.memory
    return (
        Finding(
            "memory",
            aspect=Aspect.CAPACITY,
            severity=Severity.CRITICAL if none else Severity.WARNING,
            passed=not short,
            message=f"{_said(seen.memory)} of memory are left, and {copies.replicas} more copies "
            f"of {_said(copies.each)} need {_said(need)}",
            remedy="give fewer replicas, roll with max_surge=1, or add memory" if short else "",
            evidence={"available": seen.memory, "each": copies.each, "replicas": copies.replicas},
        ),
    )


def cpu(seen: Machine) -> tuple[Finding, ...]:
    """Judge the room on the processors."""
    if seen.load is None:
        return ()
    busy = seen.load > _BUSY * seen.processors
    return (
        Finding(
            "processors",
            aspect=Aspect.CAPACITY,
            severity=Severity.WARNING,
            passed=not busy,
            message=f"{seen.load:.1f} tasks run or wait for {seen.processors} processors",
            remedy="deploy when it is quieter: starting new copies slows down the old ones" if busy else "",
            evidence={"load": seen.load, "processors": seen.processors},
        ),
    )


def _said(number: int) -> str:
    for size, unit in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"
