"""One release of an application from PyPI, as plain values: what to start, and how to see that it is up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

__all__ = ["AppRelease"]


@dataclass(frozen=True, slots=True)
class AppRelease:
    """One release, ready to be started.

    Args:
        version: What people call it.
        command: The argument vector; `{port}` is where it shall listen, `{config}` the folder of `config`.
        health: A path that answers 200 as soon as the application serves.
        env: Environment variables.
        config: Text files by relative path.
    """

    version: str
    _: KW_ONLY
    command: tuple[str, ...]
    health: str
    env: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
