"""What is needed to look after containers while nobody deploys."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from anyio import to_thread

from fairdeploy.backends.compose import _keeping, _opening
from fairdeploy.backends.compose._moving import MovingRouter
from fairdeploy.backends.compose._observing import running
from fairdeploy.host import _epoch, _files, _guarding
from fairdeploy.model import TLS, Member, Target
from fairdeploy.model.canonical import plain
from fairdeploy.protocols import Fence
from fairdeploy.protocols.keeper import Program

if TYPE_CHECKING:
    from fairdeploy.backends.compose._readiness import Asked
    from fairdeploy.backends.compose._site import Site
    from fairdeploy.protocols import Keeper, TrafficRouter

__all__ = ["expire", "keep", "liveness", "refresh", "remember", "targets"]

_NAME = "watch"
_FILE = "target.json"


async def keep(keeper: Keeper, site: Site) -> None:
    """Keep the watching program; if it is kept already, nothing is done.

    Raises:
        StartError: If the keeper refuses it.
    """
    await keeper.start(
        Program(
            name=_NAME,
            argv=(
                sys.executable,
                "-P",
                "-m",
                "fairdeploy.backends.compose.watch",
                _opening.uri_of(site.home),
            ),
            cwd=str(site.home),
            log=str(site.home / "watch.log"),
            env=_guarding.handed_on(),
            log_bytes=1_000_000,
            stop_grace_ms=2_000,
        )
    )


def remember(site: Site, target: Target) -> None:
    """Write a target down, for who watches has only the home. Blocks."""
    _files.write_json(site.place(target).base / _FILE, plain(target))


def targets(site: Site) -> tuple[Target, ...]:
    """Return the targets that were ever promoted. Blocks.

    Raises:
        StateError: If a file is damaged.
    """
    found = []
    for service in site.project.services:
        place = site.owner(service)
        said = None if place is None else _files.read_json(place.base / _FILE)
        if said is not None:
            tls = cast("dict[str, str] | None", said.pop("tls"))
            app = str(said.pop("app"))
            found.append(Target(app, tls=None if tls is None else TLS(**tls), **said))  # type: ignore[arg-type]  # as it was written
    return tuple(found)


async def refresh(site: Site, router: TrafficRouter, target: Target) -> bool:
    """Tell the router where its members are now, and nothing else; return whether that was news.

    Raises:
        BackendError: If the engine cannot be asked.
        RouterError: If the router cannot be told.
    """
    if isinstance(router, MovingRouter) and router.moves(target):
        return await _land(site, router, target)
    traffic = await router.observe(target)
    if traffic.written is None or target.endpoint is None:
        return False
    place = site.place(target)
    seen = await site.seen(place)
    now = {
        each.container.instance: f"{each.address[0]}:{each.address[1]}"
        for each in running(seen)
        if each.address
    }
    pools = tuple(
        replace(pool, members=tuple(Member(m.instance, now.get(m.instance, m.address)) for m in pool.members))
        for pool in traffic.written.pools
    )
    if pools == traffic.written.pools:
        return False
    fence = Fence(epoch=_epoch.newest(place.epoch), key="refresh")
    async with site.changing(place, fence):
        if (await router.observe(target)).written != traffic.written:
            return False  # somebody deploys, and tells the router
        await router.apply(target, replace(traffic.written, pools=pools), fence)
    return True


async def _land(site: Site, router: MovingRouter, target: Target) -> bool:
    """Let the router take a port that whoever was to see to it has left free."""
    if await site.publishes(target):
        return False
    place = site.place(target)
    fence = Fence(epoch=_epoch.newest(place.epoch), key="refresh")
    async with site.changing(place, fence):
        await router.land(target, fence)
    return True


async def expire(site: Site) -> None:
    """Remove what has been kept stopped for long enough.

    Raises:
        BackendError: If the engine cannot.
    """
    if await to_thread.run_sync(_keeping.is_due, site.home):
        async with site.locked():
            await _keeping.drop(site)


async def liveness(site: Site) -> list[Asked]:
    """Return what runs and has a liveness probe, to be asked by that.

    Raises:
        BackendError: If the engine cannot be asked.
    """
    found: list[Asked] = []
    for service in site.project.services:
        place = await to_thread.run_sync(site.owner, service)
        if place is None:
            continue
        seen = await site.seen(place)
        for each in running(seen):
            record = seen.paper.records.get(each.container.revision)
            probe = None if record is None else record.probes.liveness
            if probe is not None and each.container.instance not in seen.paper.quiescing:
                found.append(replace(each, probe=probe))
    return found
