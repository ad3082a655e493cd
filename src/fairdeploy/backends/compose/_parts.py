"""What a backend is made of when nothing else is given; loaded when it is used.

The router and the guard are processes of this machine, and are kept as the local backend's are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.backends.compose import _opening
from fairdeploy.backends.compose._moving import MovingRouter
from fairdeploy.host import _guarding

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from fairdeploy.backends.compose._site import Site
    from fairdeploy.protocols.journal import Journal
    from fairdeploy.protocols.keeper import Keeper
    from fairdeploy.protocols.router import TrafficRouter

__all__ = ["guarded", "journal", "keeper", "router", "routing", "with_guard"]


def keeper(home: Path) -> Keeper:
    """Return systemd's keeper where systemd runs, else supervisor's."""
    from fairdeploy.host.keeper import open_keeper  # noqa: PLC0415 -- unless one is given

    return open_keeper(home / "keeper")


def routing(site: Site, kept: Keeper) -> TrafficRouter:
    """Return the router of a project, which takes published ports where that was asked for."""
    made = router(site.home, kept, light=site.project.light, image=site.project.envoy_image)
    return MovingRouter(made, site) if site.project.move_ports else made


def router(home: Path, kept: Keeper, *, light: bool, image: str = "") -> TrafficRouter:
    """Return a router in the home: Envoy's, in containers where an image is given, or the light one, HAProxy's."""
    if light:
        from fairdeploy.routing.haproxy import HAProxyRouter  # noqa: PLC0415 -- unless one is given

        return HAProxyRouter(home / "haproxy", kept)
    from fairdeploy.routing.envoy import EnvoyRouter  # noqa: PLC0415 -- unless one is given

    if image:
        from fairdeploy.backends.compose._containing import ContainerKeeper  # noqa: PLC0415 -- unless one is given

        contained = ContainerKeeper(home / "router", image)
        return EnvoyRouter(home / "router", contained, binary=contained.find)
    return EnvoyRouter(home / "router", kept)


def journal(home: Path, address: str | None) -> AbstractAsyncContextManager[Journal]:
    """Return the journal of an address, or an SQLite journal in the home, to be entered."""
    from fairdeploy.journal import SQLiteJournal, open_journal  # noqa: PLC0415 -- unless one is given

    return SQLiteJournal.open(home / "journal.sqlite") if address is None else open_journal(address)


def guarded(asked: bool | None, journal: Journal | None, *others: object) -> bool:  # noqa: FBT001 -- as it was asked
    """Whether a guard is to be kept: unless said otherwise, if nothing is given that it would not find.

    Raises:
        InvalidInput: If it is asked for and cannot find the journal.
    """
    return _guarding.wanted(asked, journal, *others, named=True)


def with_guard(
    records: Journal, kept: Keeper, home: Path, bindings: str | None, address: str | None
) -> Journal:
    """Return a journal that sees to a guard.

    Raises:
        InvalidInput: If ``bindings`` is no name of a module.
    """
    return _guarding.journal(
        records, kept, home, bindings, uri=_opening.uri_of(home, address), address=address
    )
