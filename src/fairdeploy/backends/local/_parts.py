"""What a backend is made of when nothing else is given; loaded when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from fairdeploy.protocols.journal import Journal
    from fairdeploy.protocols.keeper import Keeper
    from fairdeploy.protocols.router import TrafficRouter

__all__ = ["journal", "keeper", "router"]


def keeper(folder: Path) -> Keeper:
    """Return systemd's keeper where systemd runs, else supervisor's."""
    from fairdeploy.host.keeper import open_keeper  # noqa: PLC0415 -- unless one is given

    return open_keeper(folder / "keeper")


def router(folder: Path, kept: Keeper) -> TrafficRouter:
    """Return an Envoy router in the same folder."""
    from fairdeploy.routing.envoy import EnvoyRouter  # noqa: PLC0415 -- unless one is given

    return EnvoyRouter(folder / "router", kept)


def journal(folder: Path, address: str | None) -> AbstractAsyncContextManager[Journal]:
    """Return the journal of an address, or an SQLite journal in the same folder, to be entered."""
    from fairdeploy.journal import SQLiteJournal, open_journal  # noqa: PLC0415 -- unless one is given

    return SQLiteJournal.open(folder / "journal.sqlite") if address is None else open_journal(address)
