"""What HAProxy says of itself. Parsing is pure."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import RouterError
from fairdeploy.model import Counters, Histogram
from fairdeploy.routing._address import normal
from fairdeploy.routing.haproxy.document import BOUNDS_MS, maps
from fairdeploy.routing.haproxy.socket import ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairdeploy.model import RevisionId
    from fairdeploy.routing.haproxy.state import State

__all__ = ["Slot", "Table", "counters", "is_served", "looked", "parse"]

_READABLE: Final = (ValueError, LookupError)
_DRAINED: Final = 0x08 | 0x10
_ADMIN: Final = 0x01 | 0x02 | 0x20 | 0x40  # not 0x04: that the configuration says so
_UNKNOWN: Final = {"", "INI", "UNK"}
"""What a check says that has not ended yet: HAProxy takes such a server for up."""
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
_TIMES: Final = re.compile(r"key=(\S+) [^\n]*?((?: gpc\d+=\d+)+)")
_ENTRY: Final = re.compile(r"0x[0-9a-f]+ (\S+) (\S+)")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One server of HAProxy.

    Args:
        address: Where it is.
        word: ``ready``, ``drain`` or ``maint``.
        well: Whether its checks pass: one that has begun to fail is well until it has failed often enough.
        busy: Requests and connections on it.
    """

    address: str
    word: str
    well: bool
    busy: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What HAProxy has said.

    Args:
        process: Differs from one HAProxy to the next.
        slots: By place and slot.
        totals: What was counted, by place.
        times: Cumulative counts per bound, by place.
        maps: What its maps hold, by file.
    """

    process: str
    slots: Mapping[tuple[str, int], Slot]
    totals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    times: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    maps: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def slot(self, place: str, slot: int) -> Slot:
        """Return a slot; one that nothing is known of serves nobody."""
        return self.slots.get((place, slot), Slot(address="", word="maint", well=False, busy=0))


async def looked(folder: Path, state: State) -> Table:
    """Return what HAProxy says of a state's places and maps.

    Raises:
        Unreachable: If it does not answer.
        RouterError: If it cannot be understood.
    """
    names = [name for place in state.places for name in (place.name, f"{place.name}x")]
    orders = [order for name in names for order in (f"show stat {name} 6 -1", f"show servers state {name}")]
    info, times = await ask(folder, "show info"), await ask(folder, "show table times")
    held = {name: await ask(folder, f"show map {name}") for name in maps(state)}
    try:
        return parse(info, times, held, await ask(folder, *orders) if orders else "")
    except _READABLE as exc:
        raise RouterError(
            f"what HAProxy says cannot be read ({type(exc).__name__}): is it HAProxy that answers there?"
        ) from exc


def parse(info: str, times: str, held: Mapping[str, str], servers: str) -> Table:
    """Return what HAProxy's answers say.

    Raises:
        ValueError: If they are none that HAProxy gives; or a LookupError.
    """
    known = dict(re.findall(r"^(\w+): (.*)$", info, flags=re.MULTILINE))
    lines = servers.splitlines()
    stats = _stats([line for line in lines if line.count(",") > 10])
    words = _words([line.split() for line in lines if line.count(",") <= 10])
    slots: dict[tuple[str, int], Slot] = {}
    for (place, name), row in stats.items():
        if name != "BACKEND":
            address, word = words[place, name]
            check = row["check_status"].removeprefix("* ")
            slots[place, int(name[1:])] = Slot(
                address=address,
                word=word,
                well=row["status"].startswith("UP") and check not in _UNKNOWN,
                busy=int(row["scur"] or 0) + int(row["qcur"] or 0),
            )
    return Table(
        process=f"{known['Pid']}-{known['Start_time_sec']}" if "Start_time_sec" in known else known["Pid"],
        slots=slots,
        totals={place: row for (place, name), row in stats.items() if name == "BACKEND"},
        times={
            place: tuple(int(each.partition("=")[2]) for each in counts.split())
            for place, counts in _TIMES.findall(times)
        },
        maps={name: tuple(_ENTRY.findall(said)) for name, said in held.items()},
    )


def _stats(lines: list[str]) -> dict[tuple[str, str], dict[str, str]]:
    heads = [line for line in lines if line.startswith("# ")]
    if not heads:
        return {}
    rows = csv.DictReader([heads[0].removeprefix("# "), *(line for line in lines if line not in heads)])
    return {(row["pxname"], row["svname"]): row for row in rows}


def _words(rows: list[list[str]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return address and administrative state of each server, as ``show servers state`` has them."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for row in rows:
        if len(row) > 18 and row[0].isdecimal():
            admin = int(row[6])
            word = "maint" if admin & _ADMIN else "drain" if admin & _DRAINED else "ready"
            found[row[1], row[3]] = f"{row[4]}:{row[18]}", word
    return found


def is_served(state: State, table: Table) -> bool:
    """Return whether HAProxy serves by a state: every member in its slot, and every map as it should be."""
    seated = all(
        (slot := table.slot(name, seat.slot)).word == ("drain" if seat.leaving else "ready")
        and slot.address == normal(seat.member.address)
        for place in state.places
        for seat in place.seats
        for name in (place.name, f"{place.name}x")
        if not (seat.leaving and _is_empty(table, name, seat.slot))
    )
    return seated and all(table.maps.get(file) == tuple(entries) for file, entries in maps(state).items())


def _is_empty(table: Table, place: str, slot: int) -> bool:
    """Return whether a slot is empty: who left it was gone when HAProxy was started again."""
    return table.slot(place, slot).word == "maint"


def counters(state: State, table: Table) -> Mapping[RevisionId, Counters]:
    """Return what was counted per revision with a pool.

    ``requests`` and ``errors`` are all answers of the place, HAProxy's own 502 and 503 for a member that broke
    among them; ``latency`` is the time to an answer's head, and counts what members have answered.
    """
    return {
        place.revision: _counted(table, place.name, place.given)
        for place in state.places
        if not place.retired
    }


def _counted(table: Table, name: str, given: int) -> Counters:
    row, counts = table.totals.get(name, {}), table.times.get(name, ())
    number = {key: int(row.get(f"hrsp_{key}") or 0) for key in _CLASSES}
    return Counters(
        requests=sum(number.values()),
        errors=number["5xx"],
        retries=int(row.get("wretr") or 0) + int(row.get("wredis") or 0),
        latency=Histogram(bounds_ms=tuple(map(float, BOUNDS_MS)), counts=counts) if counts else Histogram(),
        incarnation=f"{table.process}:{name}:{given}",
    )
