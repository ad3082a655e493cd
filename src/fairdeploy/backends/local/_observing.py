"""From paper, keeper and probes to what is there: a pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from fairdeploy.backends.local._readiness import Running
from fairdeploy.model import Deployment, Instance, Revision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.backends.local._layout import Layout
    from fairdeploy.backends.local._readiness import Standing
    from fairdeploy.backends.local._scan import Found, Scan
    from fairdeploy.model import InstanceId
    from fairdeploy.protocols.keeper import ProgramState

__all__ = ["deployment", "running"]

_State: TypeAlias = Literal["starting", "running", "backoff", "exited"]


def running(layout: Layout, seen: Scan, states: Mapping[str, ProgramState]) -> list[Running]:
    """List the instances whose own process runs: kept, and past its launcher's first line."""
    found: list[Running] = []
    for each in seen.instances:
        state = states.get(layout.program(each.record.id))
        if state is None or state.phase != "running" or each.identity is None:
            continue
        if state.pid == each.identity.pid and each.identity.alive:
            found.append(Running(each.record, each.port, each.identity))
    return found


def deployment(
    layout: Layout,
    seen: Scan,
    states: Mapping[str, ProgramState],
    standing: Mapping[InstanceId, Standing],
) -> Deployment:
    """Return what is there."""
    return Deployment(
        layout.target,
        revisions=tuple(
            Revision(
                revision,
                replicas=wanted,
                instances=tuple(
                    _instance(each, states.get(layout.program(each.record.id)), standing.get(each.record.id))
                    for each in seen.of(revision)
                ),
            )
            for revision, wanted in seen.wanted.items()
        ),
        stable=seen.stable,
    )


def _instance(each: Found, state: ProgramState | None, standing: Standing | None) -> Instance:
    record = each.record
    word, detail = _how(each, state, standing)
    return Instance(
        record.id,
        revision=record.revision,
        address=record.address(each.port),
        ready=not detail,
        quiescing=each.quiescing,
        state=word,
        restarts=max(each.starts - 1, 0 if state is None else state.restarts, 0),
        detail=detail,
    )


def _how(each: Found, state: ProgramState | None, standing: Standing | None) -> tuple[_State, str]:
    """Return the state and why the instance is not ready, empty if it is."""
    if state is None:
        return "exited", "nothing keeps it: ensure its revision again"
    match state.phase:
        case "running":
            if standing is None:
                return "starting", "its process is being started"
            word: _State = "running" if standing.ready or each.ever_ready else "starting"
            return word, "" if standing.ready else standing.detail
        case "stopping":
            return "running", "it is being stopped"
        case "backoff":
            return "backoff", f"{_ended(state)}; will be started again"
        case "exited":
            return "exited", _ended(state)


def _ended(state: ProgramState) -> str:
    match state.exit_code:
        case None:
            return "exited"
        case int(code) if code < 0:
            return f"killed by signal {-code}"
        case code:
            return f"exited with status {code}"
