"""The backend of ECS as a crash house: emulators in which nothing runs, and all is asked of AWS as ever."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import botocore.session  # type: ignore[import-untyped]  # has no types
from anyio.from_thread import start_blocking_portal

from fairdeploy.backends.ecs import ECSBackend, Place
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Job, Release, Target
from fairdeploy.testing.crash import Housing
from tests.aws.standin import joined
from tests.aws.worlds import REGION, balanced, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.model import Deployment
    from fairdeploy.protocols import Backend
    from fairdeploy.testing.crash import House
    from fairdeploy.testing.load import LoadProcess

__all__ = ["ECSHouse", "house_of", "native_house_of"]

_OWNER = "fairdeploy:revision"


@final
class ECSHouse:
    """A service, behind a load balancer or without one, and the journal in a file of this machine."""

    def __init__(self, uri: str, folder: str, endpoint: str = "", *groups: str) -> None:
        self._place = Place.parse(uri)
        self._folder = Path(folder)
        self._groups = groups
        self._target = Target(
            "shop", replicas=1, endpoint=endpoint or None, plaintext=True, drain_ms=500, stream_drain_ms=500
        )

    @property
    def target(self) -> Target:
        """See `CrashHouse.target`."""
        return self._target

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Backend]:
        """See `CrashHouse.open`."""
        async with (
            SQLiteJournal.open(self._folder / "journal.sqlite") as journal,
            ECSBackend.open(self._place, journal=journal, poll=0.1) as backend,
        ):
            yield backend

    def release(self, version: str) -> Release:
        """See `CrashHouse.release`."""
        return Release(version, command=["serve", "{port}"], env={"VERSION": version})

    def job(self, version: str) -> Job:
        """See `CrashHouse.job`."""
        return Job("trace", command=["echo", version])

    def runs(self, version: str) -> int:
        """See `CrashHouse.runs`: tasks with the job's command, those that have ended too."""
        return sum(
            each.get("command") == ["echo", version]
            for task in self._tasks("RUNNING", "STOPPED")
            for each in task.get("overrides", {}).get("containerOverrides", [])
        )

    def load(self) -> AbstractAsyncContextManager[LoadProcess] | None:
        """See `CrashHouse.load`: there is nobody to answer."""
        return None

    def strays(self, deployment: Deployment) -> Sequence[str]:
        """See `CrashHouse.strays`: tasks that no instance accounts for, and target groups of nobody that is there."""
        known = {instance.id for revision in deployment.revisions for instance in revision.instances}
        tasks = {
            each["taskArn"].rpartition("/")[2]
            for each in self._tasks("RUNNING")
            if each["group"].startswith("service:")
        }
        revisions = {each.id for each in deployment.revisions}
        return [
            *(f"task {each}" for each in sorted(tasks - known)),
            *(f"a target group that {each!r} has" for each in sorted(self._owners() - revisions)),
        ]

    def _owners(self) -> set[str]:
        """Return the revisions that target groups are marked with."""
        if not self._groups:
            return set()
        answer = self._client("elbv2").describe_tags(ResourceArns=list(self._groups))
        tags = [tag for each in answer["TagDescriptions"] for tag in each["Tags"]]
        return {tag["Value"] for tag in tags if tag["Key"] == _OWNER}

    def _client(self, service: str) -> Any:  # noqa: ANN401 -- botocore makes its clients as it runs
        session = botocore.session.get_session()
        return session.create_client(service, region_name=REGION, endpoint_url=self._place.endpoint)

    def _tasks(self, *statuses: str) -> list[dict[str, Any]]:  # Any: as AWS describes them
        ecs, cluster = self._client("ecs"), self._place.cluster
        arns = [
            arn
            for status in statuses
            for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        ]
        found: list[dict[str, Any]] = []
        for first in range(0, len(arns), 100):
            part = arns[first : first + 100]
            found += ecs.describe_tasks(cluster=cluster, tasks=part)["tasks"]
        return found


@asynccontextmanager
async def ecs_house(ecs: str, moto: str, *, native: bool) -> AsyncIterator[Housing]:
    """Give a new service."""
    folder = tempfile.mkdtemp(prefix="fd-ecs-")
    try:
        # A thread of its own: what a house is asked is asked without awaiting.
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(joined(ecs, moto)) as url:
            if native:
                place = replace(await worker(url, desired=1), delegated=True)
                yield Housing.of(ECSHouse, place.uri, folder)
            else:
                world = await balanced(url)
                yield Housing.of(ECSHouse, world.place.uri, folder, f"{world.host}:80", *world.groups)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def house_of(ecs: str, moto: str) -> House:
    """Return what gives new services behind load balancers, of whose revisions each is a service beside them."""
    return partial(ecs_house, ecs, moto, native=False)


def native_house_of(ecs: str, moto: str) -> House:
    """Return what gives new services without load balancers, which ECS rolls out by itself."""
    return partial(ecs_house, ecs, moto, native=True)
