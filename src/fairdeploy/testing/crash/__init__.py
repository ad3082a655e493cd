"""Crash points: a deploying program is killed, or stopped and woken too late, at every boundary that it passes.

A boundary is before or after a record of the journal, or an effect on the backend or its router. The program is a real
one; it stands still exactly there, and is then ended by a signal, so that no point depends on time. Then another
program recovers, and what is there is compared with what the journal says.

A backend joins by one fixture: see `CrashHouse` and `fairdeploy.testing.crash.suite`.
"""

from __future__ import annotations

from fairdeploy.testing.crash.boundaries import Gate, gated, gated_database
from fairdeploy.testing.crash.house import CrashHouse, Furnished, Housing
from fairdeploy.testing.crash.nursery import Mortal, Nursery, nursery
from fairdeploy.testing.crash.stories import NATIVE, STORIES, Story
from fairdeploy.testing.crash.survey import DOUBLE, SINGLE, House, Survey, survey
from fairdeploy.testing.crash.trial import Fault, Finding, Stage, count_boundaries, staged, try_point

__all__ = [
    "DOUBLE",
    "NATIVE",
    "SINGLE",
    "STORIES",
    "CrashHouse",
    "Fault",
    "Finding",
    "Furnished",
    "Gate",
    "House",
    "Housing",
    "Mortal",
    "Nursery",
    "Stage",
    "Story",
    "Survey",
    "count_boundaries",
    "gated",
    "gated_database",
    "nursery",
    "staged",
    "survey",
    "try_point",
]
