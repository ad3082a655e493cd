"""What can happen to a fleet, as data: drawn by a seed, or by hypothesis, and played again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fairdeploy.model import (
    BoundCheck,
    ErrorComparison,
    ErrorRate,
    Job,
    Release,
    RunJob,
    Target,
    Verdict,
    Window,
)
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate, Rolling, Windowed
from fairdeploy.testing.simulation import Behaviour

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from random import Random

    from fairdeploy.model import Capability, Deployment, Plan
    from fairdeploy.protocols import Strategy

__all__ = ["BEHAVIOURS", "MENU", "RELEASES", "STRATEGIES", "TARGETS", "Happening", "drawn", "happenings"]


class Migrating:
    """A strategy that runs a job before the first change of traffic, and goes on after a crash."""

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the inner plan with the job in it."""
        inner = Rolling(max_surge=1, ready_deadline=1, on_crash="resume")
        plan = inner.plan(release, target, deployment, capabilities)
        started = next((i for i, step in enumerate(plan.steps) if step.kind == "await_ready"), None)
        if started is None:
            return plan
        job = RunJob("migrate", target=target.id, revision=release.revision, job=MIGRATE)
        return replace(plan, steps=(*plan.steps[: started + 1], job, *plan.steps[started + 1 :]))


MIGRATE = Job("migrate", command=["migrate"])
TARGETS = {
    "shop": Target("shop", replicas=2, endpoint="127.0.0.1:8080", drain_ms=400, stream_drain_ms=400),
    "worker": Target("worker", replicas=2, drain_ms=400, stream_drain_ms=400),
}
"""One with visitors, one without."""
RELEASES = {v: Release(v, command=["serve", "{port}"]) for v in ("1", "2", "3", "bad", "stuck", "broken")}
BEHAVIOURS = {
    RELEASES["bad"].revision: Behaviour(start_seconds=0.1, error_share=0.5),
    RELEASES["stuck"].revision: Behaviour(ready=False),
    RELEASES["broken"].revision: Behaviour(start_error="no such program"),
}
ORACLE = BoundCheck("oracle")
ERRORS = ErrorRate(max_percent=5, min_requests=5)
STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(
        steps=(50, 100), bake=0.4, every=0.1, keep_warm=0, analysis=[ORACLE, ERRORS], ready_deadline=1
    ),
    "warm canary": Canary(
        steps=(50, 100), bake=0.4, every=0.1, keep_warm=3, analysis=[ERRORS], ready_deadline=1
    ),
    "resuming canary": Canary(
        steps=(50, 100),
        bake=0.4,
        every=0.1,
        keep_warm=0,
        analysis=[ERRORS],
        ready_deadline=1,
        on_crash="resume",
    ),
    "blue-green": BlueGreen(
        watch=0.4, every=0.1, keep_warm=0, preview_header=None, analysis=[ORACLE], ready_deadline=1
    ),
    "rolling": Rolling(max_surge=1, ready_deadline=1),
    "migrating": Migrating(),
    "recreate": Recreate(watch=0.2, ready_deadline=1),
    "comparing canary": Canary(
        steps=(50, 100),
        bake=0.4,
        every=0.1,
        keep_warm=0,
        analysis=[ErrorComparison(negligible_percent=5), ERRORS],
        ready_deadline=1,
    ),
    "windowed": Windowed(
        BlueGreen(watch=0.2, keep_warm=0, preview_header=None, ready_deadline=1),
        Window(days=(0, 1, 2, 3, 4, 5, 6), opens=0, closes=60),
        timeout=2,
    ),
    "approved": Approved(BlueGreen(watch=0.2, keep_warm=0, preview_header=None, ready_deadline=1), timeout=4),
}

_LATER = (0.0, 0.01, 0.05, 0.2, 0.8, 2.0)
"""Seconds until the next thing happens."""
_EFFECTS = ("backend.ensure", "backend.quiesce", "backend.remove", "backend.promote", "router.apply")
_LOOKS = ("backend.observe", "router.observe", "router.counters")
_WHO = tuple(range(4))

MENU: Mapping[str, Mapping[str, Sequence[object]]] = {
    "deploy": {
        "version": sorted(RELEASES),
        "strategy": sorted(STRATEGIES),
        "where": ("shop", "shop", "worker", "both"),
        "conflict": ("refuse", "queue", "supersede"),
        "later": _LATER,
    },
    "act": {
        "verb": ("rollback", "restart", "scale", "recover", "abort"),
        "where": ("shop", "shop", "worker"),
        "later": _LATER,
    },
    "command": {
        "verb": ("pause", "resume", "promote", "full", "abort"),
        "where": ("shop", "shop", "worker"),
        "later": _LATER,
    },
    "kill": {"who": _WHO, "boundaries": tuple(range(26)), "later": _LATER},
    "kill_at_promotion": {"who": _WHO, "boundaries": tuple(range(4))},
    "stop": {"who": _WHO, "later": _LATER},
    "go_on": {"later": _LATER},
    "seize": {"who": _WHO, "boundaries": tuple(range(26)), "later": _LATER},
    "fault": {
        "call": (*_EFFECTS, *_LOOKS),
        "kind": ("before", "after", "delay", "late", "throttle", "odd", "odd", "odd"),
        "skip": (0, 1, 2, 3),
        "times": (1, 2, 3),
        "seconds": (0.02, 0.3, 1.5),
    },
    "lose": {"where": ("shop", "shop", "worker"), "later": _LATER},
    "judge": {"verdict": sorted(Verdict), "later": _LATER},
    "jump": {"seconds": (-3_600.0, 60.0, 3_600.0), "later": _LATER},
    "wait": {"later": (0.3, 1.5, 4.0)},
}
"""By name of a method of `Fleet`: its arguments, and what each can be."""


_OFTEN = ("deploy", "fault", "fault", "seize", "seize")
"""What there is most to find by comes more often."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it as the call that it is."""
        said = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({said})"


def drawn(chance: Random, possible: Collection[str]) -> Happening:
    """Draw one of what is possible."""
    name = chance.choice([name for name in (*MENU, *_OFTEN) if name in possible])
    return Happening(name, {each: chance.choice(values) for each, values in MENU[name].items()})


def happenings() -> st.SearchStrategy[Happening]:
    """Return the same menu for hypothesis."""
    return st.one_of(
        *(
            st.builds(
                Happening,
                st.just(name),
                st.fixed_dictionaries({each: st.sampled_from(values) for each, values in arguments.items()}),
            )
            for name, arguments in MENU.items()
        )
    )
