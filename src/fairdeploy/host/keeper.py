"""Which keeper a folder has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fairdeploy.host.supervisor import SupervisorKeeper
from fairdeploy.host.systemd import SystemdKeeper, runs

if TYPE_CHECKING:
    from fairdeploy.protocols.keeper import Keeper

__all__ = ["open_keeper"]


def open_keeper(folder: Path | str) -> Keeper:
    """Return the keeper of a folder: the one it had, else systemd where it runs, else supervisor.

    systemd is taken for root, and for a user whose units outlive the last logout (``loginctl enable-linger``).

    Raises:
        MissingDependency: If it is supervisor, and that is not installed.
        StateError: If the folder cannot be used.
    """
    path = Path(folder)
    had_supervisor, had_systemd = (path / "conf.d").is_dir(), (path / "units").is_dir()
    if had_systemd or (not had_supervisor and runs(user=os.geteuid() != 0)):
        return SystemdKeeper(path)
    return SupervisorKeeper(path)
