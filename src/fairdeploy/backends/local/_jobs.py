"""One-off commands beside a revision: each key runs once, whatever happens to whoever asked."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio.to_thread

from fairdeploy.backends.local import _scan, _starting, _tail
from fairdeploy.host import _files, _hidden, _program
from fairdeploy.protocols.backend import JobState
from fairdeploy.protocols.keeper import Program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from fairdeploy.backends.local._layout import Layout
    from fairdeploy.model import Job, Release, RevisionId
    from fairdeploy.model.canonical import JSON
    from fairdeploy.protocols.keeper import Keeper

__all__ = ["execute", "stop"]

_LINES = 200
_LOG_BYTES = 1_000_000
_ADDRESS = re.compile(r"\{(port|uds)\}")


async def execute(
    keeper: Keeper, layout: Layout, revision: RevisionId, release: Release, job: Job, *, key: str
) -> JobState:
    """Start a job once per key, and return how far it has come."""
    folder = layout.job(revision, key)
    spec, result, log = folder / "spec.json", folder / "result.json", folder / "output.log"
    program = Program(
        name=layout.program(f"job-{folder.name}"),
        argv=_program.launching(str(spec)),
        cwd=str(layout.base),
        log=str(log),
        log_bytes=_LOG_BYTES,
        stop_signal=release.stop_signal,
        stop_grace_ms=release.stop_grace_ms,
        restart=False,
    )
    if not spec.exists():
        await anyio.to_thread.run_sync(_write, layout, revision, release, job, folder)
        await keeper.start(program)

    async def said() -> tuple[str, ...]:
        return await anyio.to_thread.run_sync(_said, layout, revision, release, log)

    if (ended := _files.read_json(result)) is not None:
        return await _ended(keeper, program.name, ended, said)
    state = (await keeper.states()).get(program.name)
    if state is not None and state.phase in {"running", "stopping"}:
        return JobState(phase="running", output=await said())
    if not (folder / "result.json.began").exists() and state is None:
        await keeper.start(program)  # whoever wrote the spec died before it was started
        return JobState(phase="running", output=await said())
    if (ended := _files.read_json(result)) is not None:  # it has ended between the two looks
        return await _ended(keeper, program.name, ended, said)
    return JobState(phase="failed", exit_code=None if state is None else state.exit_code, output=await said())


async def _ended(
    keeper: Keeper, name: str, ended: Mapping[str, JSON], said: Callable[[], Awaitable[tuple[str, ...]]]
) -> JobState:
    """Return how a job ended, and all that it said: its keeper has written that down when it has let go of it."""
    code = _scan.number(ended, "exit_code")
    await keeper.stop(name)
    return JobState(phase="failed" if code else "succeeded", exit_code=code, output=await said())


def _said(layout: Layout, revision: RevisionId, release: Release, log: Path) -> tuple[str, ...]:
    secrets = _starting.template(layout, revision, release).secrets
    return _hidden.hide(_tail.last(log, _LINES), _hidden.values(secrets))


async def stop(keeper: Keeper, layout: Layout, revision: RevisionId) -> None:
    """Stop the jobs of a revision."""
    folder = layout.revision(revision) / "jobs"
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        await keeper.stop(layout.program(f"job-{each.name}"))


def _write(layout: Layout, revision: RevisionId, release: Release, job: Job, folder: Path) -> None:
    template = _starting.template(layout, revision, release)
    record = replace(
        template,
        id=f"{revision}.{job.name}",
        argv=tuple(job.command),
        env={key: value for key, value in template.env.items() if not _ADDRESS.search(value)},
    )
    _starting.check(record, replace(release, command=job.command))
    _starting.write(layout, revision, release)
    _files.private_folder(folder)
    encoded = record.encoded(folder / "run.json", folder / "ready")
    _files.write_json(folder / "spec.json", {**encoded, "result": str(folder / "result.json")})
