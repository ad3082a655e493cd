"""Where the record lives unless it is said, and which services are not adopted."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fairdeploy.backends.ecs import _services
from fairdeploy.backends.ecs.place import Place
from fairdeploy.errors import InvalidInput, Refused, StateError
from fairdeploy.journal.naming import named

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.backends.ecs._services import Service
    from fairdeploy.protocols import Journal

__all__ = ["journal", "placed", "refuse_unfit", "shifts"]


def journal(place: Place) -> AbstractAsyncContextManager[Journal]:
    """Return the journal that a place names, or an SQLite journal of this user on this machine, to be entered.

    That is in ``$XDG_STATE_HOME/fairdeploy/ecs``, or ``~/.local/state/fairdeploy/ecs``.

    Raises:
        StateError: If its folder cannot be made.
    """
    from fairdeploy.journal import SQLiteJournal, open_journal  # noqa: PLC0415 -- unless one is given

    if place.journal is not None:
        return open_journal(place.journal)
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "fairdeploy" / "ecs"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"the record of {place.uri!r} cannot be kept in {str(state)!r} ({error.strerror}): give a journal"
        )
        raise StateError(msg) from error
    return SQLiteJournal.open(state / f"{sha256(place.uri.encode()).hexdigest()[:16]}.sqlite")


def placed(given: Place | str, journal: Journal | None, *, guard: bool | None) -> Place:
    """Return the place that is given, or that a URI says, with the journal that goes with it.

    Raises:
        InvalidInput: If it is none, names another journal than is given, or a guard is asked for.
    """
    if guard:
        msg = "this backend keeps no guard: run `python -m fairdeploy.guard` yourself, with a journal that it reaches"
        raise InvalidInput(msg)
    place = Place.parse(given) if isinstance(given, str) else given
    return replace(place, journal=named(place.journal, journal))


def refuse_unfit(place: Place, base: Service) -> None:
    """Do nothing if a service can be adopted.

    Raises:
        Refused: If another controller deploys it, it has one task a machine, or it is deployed in the other way.
    """
    controller = base.raw.get("deploymentController", {}).get("type", "ECS")
    if controller != "ECS":
        msg = (
            f"service {place.service!r} is deployed by {controller!r}, which moves its tasks and weights itself: "
            "two controllers on one service undo each other; give it deploymentController ECS first"
        )
        raise Refused(msg)
    if base.raw.get("schedulingStrategy") == "DAEMON":
        msg = f"service {place.service!r} is a DAEMON: it has one task a machine, and no revisions beside each other"
        raise Refused(msg)
    ways = {
        _services.DELEGATED: "rolled out by ECS itself",
        _services.TARGET: "driven, with its revisions beside it",
    }
    other = _services.TARGET if place.delegated else _services.DELEGATED
    if other in base.tags:
        msg = (
            f"service {place.service!r} is {ways[other]}: open it in the same way "
            f"(delegated={not place.delegated}), or take its tags fairdeploy:* away first"
        )
        raise Refused(msg)


def shifts(base: Service) -> bool:
    """Whether ECS can move a service's traffic by shares: it knows a second target group, a rule and a role for it."""
    return any(each.get("advancedConfiguration") for each in base.raw.get("loadBalancers", []))
