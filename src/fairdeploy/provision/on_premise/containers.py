"""The application itself: volumes, containers, database, migrations, the first user."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import anyio
import anyio.to_thread

from fairdeploy.compose import check_compose, compose_command
from fairdeploy.errors import BackendError, DeadlineExceeded
from fairdeploy.provision.on_premise._run import run
from fairdeploy.provision.on_premise.memory import recall, remember
from fairdeploy.provision.on_premise.step import Seen, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fairdeploy.compose import ComposeFile
    from fairdeploy.provision.on_premise.wanted import Admin, Migrations, Server

__all__ = ["OWNER", "Project", "container_steps"]

OWNER: Final = "fairdeploy.on-premise"
"""Label on volumes that were made here."""
_POLL_S: Final = 0.2
_UP_S: Final = 900.0


@final
@dataclass(frozen=True, slots=True)
class Project:
    """A compose project on this engine."""

    file: ComposeFile
    folder: Path

    @property
    def argv(self) -> list[str]:
        """The beginning of every call of Compose."""
        named = [word for file in self.file.files for word in ("--file", file)]
        return [*compose_command(), *named, "--project-name", self.file.name]

    async def containers(self) -> Sequence[Mapping[str, object]]:
        """Return what `docker compose ps` lists, ended ones too."""
        ran = await run([*self.argv, "ps", "--all", "--format", "json"])
        lines = ran.must("docker compose ps").splitlines()
        return [json.loads(line) for line in lines if line.strip()]

    async def missing(self) -> dict[str, str]:
        """Return the services that should run and do not, or are not healthy, with how they are."""
        jobs = {each.service for each in check_compose(self.file).services if each.role == "one-shot"}
        wanted = {name for name, each in self.file.services.items() if not each.profiles and name not in jobs}
        found: dict[str, str] = {}
        for each in await self.containers():
            service, health = str(each.get("Service")), str(each.get("Health") or "healthy")
            state = str(each.get("State"))
            if state == "running" and health == "healthy":
                found[service] = ""
            else:
                found.setdefault(service, health if state == "running" else state)
        return {name: found.get(name, "not there") for name in sorted(wanted) if found.get(name, "not there")}


def container_steps(server: Server, project: Project) -> list[Step]:
    """Return the steps from volumes to the first user."""
    steps = [_volume(name, project.file.name) for name in server.volumes]
    steps.append(
        Step(name="containers", look=lambda: _look_up(project), act=lambda: _up(project, server.deadline))
    )
    if server.database:
        database = server.database
        steps.append(
            Step(
                name="database",
                look=lambda: _look_database(project, database),
                act=lambda: _await_database(project, database, server.deadline),
            )
        )
    if server.migrations:
        steps.append(_migrate(project, server.migrations))
    if server.admin:
        steps.append(_admin(project, server.admin))
    return steps


def _volume(name: str, project: str) -> Step:
    async def look() -> Seen:
        ran = await run(["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", name])
        there = ran.status == 0
        return Seen(done=there, says=f"volume {name!r} is " + ("there" if there else "not there"))

    async def act() -> None:
        (await run(["docker", "volume", "create", "--label", f"{OWNER}={project}", name])).must(
            "docker volume create"
        )

    return Step(name=f"volume:{name}", look=look, act=act)


async def _look_up(project: Project) -> Seen:
    missing = await project.missing()
    if not missing:
        return Seen(done=True, says="every service runs, and those with a healthcheck are healthy")
    listed = ", ".join(f"{name} is {how}" for name, how in missing.items())
    return Seen(
        done=False, says=listed, remedy=f"docker compose -p {project.file.name} logs {next(iter(missing))}"
    )


async def _up(project: Project, deadline: float) -> None:
    # What runs is left as it is, whatever the file says by now: changing it is a rollout's work. Only what is missing
    # is named, as `up` would also scale the others to what the file says, and take containers of a rollout away.
    begun = bool(await project.containers())
    only = ["--no-deps", *(await project.missing())] if begun else []
    (await run([*project.argv, "up", "--detach", "--no-recreate", *only], deadline=_UP_S)).must(
        "docker compose up"
    )
    try:
        with anyio.fail_after(deadline):
            while await project.missing():  # noqa: ASYNC110 -- the engine is asked, it tells no event of a project
                await anyio.sleep(_POLL_S)
    except TimeoutError as exc:
        listed = ", ".join(f"{name!r} is {how}" for name, how in (await project.missing()).items())
        raise DeadlineExceeded(f"not well within {deadline:g} s: {listed}; see its logs") from exc


async def _look_database(project: Project, database: str) -> Seen:
    service, _, port = database.rpartition(":")
    answers = await _answers(project, service, int(port))
    return Seen(done=answers, says=f"{database} " + ("answers" if answers else "does not answer"))


async def _await_database(project: Project, database: str, deadline: float) -> None:
    service, _, port = database.rpartition(":")
    project.file.service(service)
    try:
        with anyio.fail_after(deadline):
            while not await _answers(project, service, int(port)):  # noqa: ASYNC110 -- as above
                await anyio.sleep(_POLL_S)
    except TimeoutError as exc:
        raise DeadlineExceeded(f"{database!r} did not answer within {deadline:g} s: see its logs") from exc


async def _answers(project: Project, service: str, port: int) -> bool:
    """Tell whether a service's port accepts a connection, asked at its containers' own addresses."""
    listed = (await run([*project.argv, "ps", "--quiet", service])).printed.split()
    if not listed:
        return False
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    addresses = (await run(["docker", "inspect", "--format", form, *listed])).printed.split()
    for address in addresses:
        with anyio.move_on_after(2):
            try:
                async with await anyio.connect_tcp(address, port):
                    return True
            except OSError:
                continue
    return False


def _migrate(project: Project, wanted: Migrations) -> Step:
    async def mark() -> str:
        image = await _image(project, wanted.service)
        return hashlib.sha256("\0".join([image, *wanted.command]).encode()).hexdigest()

    async def look() -> Seen:
        done = (await anyio.to_thread.run_sync(recall, project.folder)).get("migrations")
        if done is not None and done == await mark():
            return Seen(done=True, says="migrations of this image were run")
        return Seen(done=False, says="migrations of this image have not been run")

    async def act() -> None:
        argv = [*project.argv, "run", "--rm", "--no-deps", "-T", wanted.service, *wanted.command]
        (await run(argv, deadline=wanted.deadline)).must("the migrations")
        await anyio.to_thread.run_sync(remember, project.folder, "migrations", await mark())

    return Step(name="migrations", look=look, act=act)


async def _image(project: Project, service: str) -> str:
    """Return the identity of a service's image; empty if nobody knows it yet."""
    project.file.service(service)
    listed = (await run([*project.argv, "ps", "--quiet", service])).printed.split()
    if not listed:
        return ""
    return (await run(["docker", "inspect", "--format", "{{.Image}}", listed[0]])).printed.strip()


def _admin(project: Project, wanted: Admin) -> Step:
    async def look() -> Seen:
        done = "admin" in await anyio.to_thread.run_sync(recall, project.folder)
        return Seen(done=done, says="the first user was made" if done else "the first user has not been made")

    async def act() -> None:
        project.file.service(wanted.service)
        password = wanted.password.resolve()
        if not password:
            raise BackendError(f"the password in {wanted.password.key!r} is empty: set it")
        # `--env NAME` without a value: it goes from our environment to Compose's, and is in no argument list.
        argv = [*project.argv, "run", "--rm", "--no-deps", "-T", "--env", wanted.variable, wanted.service]
        ran = await run(
            [*argv, *wanted.command], deadline=wanted.deadline, secret={wanted.variable: password}
        )
        ran.must("making the first user")
        await anyio.to_thread.run_sync(remember, project.folder, "admin", " ".join(wanted.command))

    return Step(name="admin", look=look, act=act)
