"""One-off containers beside a revision: each key runs once, whatever happens to whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairdeploy.backends.compose import _cli
from fairdeploy.backends.compose._container import COMPOSE, OURS
from fairdeploy.errors import StartError
from fairdeploy.host import _hidden
from fairdeploy.protocols.backend import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairdeploy.backends.compose._container import Container
    from fairdeploy.backends.compose._engine import Engine
    from fairdeploy.backends.compose._place import Place, Record
    from fairdeploy.backends.compose._site import Site
    from fairdeploy.model import Job

__all__ = ["execute", "labels"]

_LINES: Final = 200


def labels(project: str, service: str, target: str, revision: str) -> dict[str, str]:
    """Return what tells the jobs of a revision from all other containers."""
    return {
        f"{COMPOSE}project": project,
        f"{COMPOSE}service": service,
        f"{COMPOSE}oneoff": "True",
        f"{OURS}target": target,
        f"{OURS}revision": revision,
    }


async def execute(
    site: Site, place: Place, record: Record, job: Job, *, key: str, env: Mapping[str, str], lock: int
) -> JobState:
    """Start a job unless its container is there, and return how far it has come.

    Args:
        site: Where.
        place: Of which target, beside whose service it runs.
        record: Of which revision.
        job: What to run.
        key: By which it is known again.
        env: Secrets, for Compose to put where they are named.
        lock: Held while it is started, so that nobody else is starting it now.

    Raises:
        StartError: If it cannot be started, with Compose's words.
        BackendError: If the engine cannot be asked.
    """
    engine, words = site.engine, site.project.words(str(place.override(record.revision)))
    name = f"{site.project.name}-{place.service}-job-{place.job(record.revision, key)}"
    there = await engine.container(name)
    if there is not None and not there.begun and not there.error:
        await engine.stop(there)  # whoever made it died before it was started: it has done nothing yet
        there = None
    if there is None:
        order = [
            "run",
            "--detach",
            "--no-deps",
            "--no-TTY",
            "--pull",
            "never",
            "--name",
            name,
            place.service,
            *job.command,
        ]
        wrong = await _cli.act([*words, *order], env=env, lock=lock)
        there = await engine.container(name)
        if there is None or (wrong and not there.begun):
            if there is not None:
                await engine.stop(there)
            raise StartError(f"job {job.name!r} cannot be started: {job.command[0]!r}", wrong)
    return await _state(engine, there, record.secrets)


async def _state(engine: Engine, there: Container, secrets: Sequence[str]) -> JobState:
    hidden = [there.environment[key] for key in secrets if key in there.environment]
    output = _hidden.hide(await engine.said(there, _LINES), hidden)
    if there.state in {"created", "running", "paused", "restarting"}:
        return JobState(phase="running", output=output)
    code = there.exit_code
    return JobState(phase="failed" if code else "succeeded", exit_code=code, output=output)
