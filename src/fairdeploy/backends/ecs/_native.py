"""A service that ECS rolls out by itself: asked for once, watched by its own id, taken back.

A deployment of ECS's is one UpdateService; what follows, ECS decides. Success is that very deployment as the primary
one, complete and whole, and the service deployment that carries it: never a service that is "stable", which one that
was rolled back is too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, final

from fairdeploy.backends.ecs import _definition, _jobs, _scaling, _services, _tail, _tasks
from fairdeploy.backends.ecs._configuration import configuration
from fairdeploy.backends.ecs._definitions import short
from fairdeploy.backends.ecs._going import GOING, RETURNING, Going
from fairdeploy.errors import BackendError, Refused, StartError
from fairdeploy.model import Capability, Deployment, Revision
from fairdeploy.protocols import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs._definitions import Definitions
    from fairdeploy.backends.ecs._services import Service
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.model import Delegate, InstanceId, Job, Release, RevisionId, Target
    from fairdeploy.protocols import Fence, JobState

__all__ = ["Native"]

_PATTERN, _STABLE, _ASKED, _KEY, _ID = (
    f"delegated-{name}" for name in ("pattern", "stable", "definition", "key", "id")
)
_LINES: Final = 20
_ABILITIES: Final = frozenset({Capability.DELEGATED, Capability.JOBS})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """One service, which ECS rolls.

    Args:
        aws: The region.
        place: The service.
        definitions: What is known of its task definitions.
        shifts: Whether its load balancer is set up so that ECS can move the traffic by shares.
    """

    aws: AWS
    place: Place
    definitions: Definitions
    shifts: bool

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What is delegated, and jobs."""
        return _ABILITIES | {Capability.DELEGATED_SHARES} if self.shifts else _ABILITIES

    async def adopt(self, target: Target) -> RevisionId:
        """See `ECSBackend.adopt`."""
        base = await self._base(target)
        return await self.definitions.revision(await self._adopted(base, target))

    async def observe(self, target: Target) -> Deployment:
        """See `Backend.observe`. What no release of ours has made is stable as it runs."""
        base = await _services.base(self.aws, self.place)
        tasks = await _tasks.listed(self.aws, self.place, serviceName=base.name)
        revisions = [
            await self._revision(base, tasks, short(arn)) for arn in reversed(_standing(base.raw, tasks))
        ]
        current = short(base.definition)
        mark = _tag(base, _STABLE) if await self.definitions.ours(current) else current
        stable = await self.definitions.revision(mark) if mark else None
        return Deployment(target.id, revisions=tuple(revisions), stable=stable)

    async def _revision(self, base: Service, tasks: list[Answer], name: str) -> Revision:
        found, revision = await self.definitions.get(name), await self.definitions.revision(name)
        mine = [each for each in tasks if short(each["taskDefinitionArn"]) == name]
        instances = _tasks.instances(
            mine,
            revision,
            port=_definition.port(found, base.raw),
            checked="healthCheck" in _definition.main(found, base.raw),
        )
        wanted = max(
            (
                each["desiredCount"]
                for each in base.raw["deployments"]
                if short(each["taskDefinition"]) == name
            ),
            default=0,
        )
        return Revision(revision, replicas=wanted, instances=instances)

    async def check(self, target: Target) -> None:
        """Refuse a service that is another's, or whose number is not ours to say. Changes nothing."""
        await self._base(target)
        if target.replicas is not None and await _scaling.scaled(self.aws, self.place):
            msg = (
                f"the number of tasks of {self.place.service!r} is decided by Application Auto Scaling: "
                "give Target(replicas=None), which leaves it alone"
            )
            raise Refused(msg)

    async def delegate(
        self, target: Target, step: Delegate, release: Release | None, fence: Fence
    ) -> Progress:
        """See `RolloutController.delegate`."""
        base = await self._base(target)
        key = sha256(fence.key.encode()).hexdigest()[:16]
        stable = _tag(base, _STABLE)
        if stable and await self.definitions.revision(stable) == step.revision:
            return await self._back(base, step, stable)
        if release is None:
            raise StartError(
                f"{base.name!r} remembers no task definition of {step.revision!r}: deploy that release again"
            )
        if _tag(base, _KEY) == key and _tag(base, _ID):
            return await self._progress(base, step)
        pattern = await self._adopted(base, target)
        definition = await self._remembered(base, step.revision) or await self.definitions.registered(
            base, release, step.revision, pattern=pattern
        )
        # Written before it is asked, so that whoever comes after a crash knows what is ours.
        await self._write(base, {_KEY: key, _ASKED: short(definition), _ID: ""})
        primary = await self._update(base, step, definition)
        if short(primary["taskDefinition"]) != short(definition):
            raise BackendError(f"ECS has not taken {short(definition)!r} for {base.name!r} yet: ask again")
        await self._write(base, {_ID: str(primary["id"])})
        return Progress(phase="running", message="asked for")

    async def _back(self, base: Service, step: Delegate, definition: str) -> Progress:
        """Bring back what is stable: by a rollback of what is under way, else by a deployment of its own."""
        primary = _primary(base.raw)
        if short(primary["taskDefinition"]) not in {definition, _tag(base, _ASKED)}:
            return _overtaken(short(primary["taskDefinition"]))
        going = await Going.newest(self.aws, self.place)
        if going is not None and going.status in GOING and short(going.definition) != definition:
            await going.stop(self.aws)
            return Progress(phase="running", message="ECS was told to roll back")
        if going is not None and going.status in RETURNING:
            return Progress(phase="running", message=f"ECS rolls back: {going.status.lower()}")
        if short(primary["taskDefinition"]) != definition or step.replicas not in {None, base.desired}:
            back = replace(step, shares=step.shares and (step.shares[-1],), bakes_ms=step.shares and (0,))
            await self._update(base, back, definition)
            return Progress(phase="running", message="asked for what was stable")
        return _whole(base.raw, primary)

    async def _progress(self, base: Service, step: Delegate) -> Progress:
        """Return how far the deployment has come that was asked for, and no other."""
        raw, primary = base.raw, _primary(base.raw)
        found = next((each for each in raw["deployments"] if each["id"] == _tag(base, _ID)), None)
        going = await Going.newest(self.aws, self.place) if step.shares else None
        if going is not None and short(going.definition) == _tag(base, _ASKED) and going.failed:
            return await self._failed(base, f"{going.status}: {going.reason}")
        if found is None or found is not primary:
            if short(primary["taskDefinition"]) != _tag(base, _STABLE):
                return _overtaken(short(primary["taskDefinition"]))
            why = (
                (found or {}).get("rolloutStateReason")
                or primary.get("rolloutStateReason")
                or "no reason given"
            )
            return await self._failed(base, f"ECS has rolled back: {why}")
        if found.get("rolloutState") == "FAILED":
            return await self._failed(base, str(found.get("rolloutStateReason", "")))
        if going is not None and going.status != "SUCCESSFUL":
            return Progress(phase="running", message=f"{going.status.lower()}: {going.stage.lower()}")
        progress = _whole(raw, found)
        if progress.phase == "running" and found.get("failedTasks"):
            return replace(progress, output=await self._words(base))
        return progress

    async def _failed(self, base: Service, why: str) -> Progress:
        return Progress(phase="failed", message=why, output=await self._words(base))

    async def _words(self, base: Service) -> tuple[str, ...]:
        """Return why the last task of what was asked for ended, and what it said."""
        name = _tag(base, _ASKED)
        tasks = await _tasks.listed(self.aws, self.place, serviceName=base.name)
        mine = [
            each
            for each in tasks
            if short(each["taskDefinitionArn"]) == name and each.get("stopCode") in _tasks.FAILED
        ]
        said = await _tail.words(self.aws, await self.definitions.get(name), base.raw, mine[-1:], _LINES)
        return (
            *(line for lines in said.values() for line in lines),
            *(_tasks.why(each) for each in mine[-1:]),
        )

    async def promote(self, target: Target, revision: RevisionId) -> None:
        """See `Backend.promote`."""
        base = await self._base(target)
        if await self.definitions.revision(base.definition) != revision:
            raise BackendError(f"revision {revision!r} is not what {base.name!r} runs: roll it out first")
        await self._write(base, {_STABLE: short(base.definition)})

    async def remove(self, target: Target, revision: RevisionId) -> None:
        """See `Backend.remove`. A revision that is only remembered is left to ECS."""
        base = await self._base(target)
        if await self.definitions.revision(_tag(base, _STABLE) or base.definition) == revision:
            error = BackendError(
                f"revision {revision!r} is the stable one: promote another before removing it"
            )
            error.retryable = False
            raise error

    async def execute(
        self, target: Target, revision: RevisionId, release: Release, job: Job, key: str
    ) -> JobState:
        """See `Backend.execute`. It may come before the revision is rolled out."""
        base = await self._base(target)
        name = await self._remembered(base, revision) or await self.definitions.registered(
            base, release, revision, pattern=await self._adopted(base, target)
        )
        found = await self.definitions.get(name)
        service = replace(base, raw={**base.raw, "taskDefinition": found["taskDefinitionArn"]})
        return await _jobs.execute(
            self.aws, self.place, service, definition=found, target=target.id, job=job, key=key
        )

    async def tail(
        self,
        target: Target,  # noqa: ARG002 -- there is one
        revision: RevisionId,
        lines: int,
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """See `Backend.tail`."""
        base = await _services.base(self.aws, self.place)
        tasks = await _tasks.listed(self.aws, self.place, serviceName=base.name)
        for name in sorted({short(each["taskDefinitionArn"]) for each in tasks}):
            if await self.definitions.revision(name) == revision:
                mine = [each for each in tasks if short(each["taskDefinitionArn"]) == name]
                found = await self.definitions.get(name)
                return await _tail.words(self.aws, found, base.raw, mine, lines)
        return {}

    async def _base(self, target: Target) -> Service:
        base = await _services.base(self.aws, self.place)
        owner = base.tags.get(_services.DELEGATED, target.id)
        if owner != target.id:
            msg = f"service {base.name!r} is of {owner!r}, not of {target.id!r}: give one service to each target"
            raise Refused(msg)
        return base

    async def _adopted(self, base: Service, target: Target) -> str:
        """Return the task definition that releases are made like; what runs is taken over first, if nobody's."""
        current = short(base.definition)
        if _tag(base, _PATTERN) and await self.definitions.ours(current):
            return _tag(base, _PATTERN)
        if _tag(base, _PATTERN) != current:
            await _services.tag(self.aws, base.arn, delegated=target.id)
            await self._write(base, {_PATTERN: current, _STABLE: current})
        return current

    async def _remembered(self, base: Service, revision: RevisionId) -> str | None:
        for name in dict.fromkeys(_tag(base, each) for each in (_STABLE, _ASKED, _PATTERN)):
            if name and await self.definitions.revision(name) == revision:
                return name
        return None

    async def _update(self, base: Service, step: Delegate, definition: str) -> Answer:
        size = base.desired if step.replicas is None else step.replicas
        answer = await self.aws.call(
            "ecs",
            "update_service",
            cluster=self.place.cluster,
            service=base.name,
            taskDefinition=definition,
            desiredCount=step.replicas,
            deploymentConfiguration=configuration(step, size, base.raw.get("deploymentConfiguration", {})),
        )
        return _primary(answer["service"])

    async def _write(self, base: Service, tags: dict[str, str]) -> None:
        await _services.tag(self.aws, base.arn, **tags)


def _tag(base: Service, name: str) -> str:
    return base.tags.get(f"fairdeploy:{name}", "")


def _primary(raw: Answer) -> Answer:
    found: Answer = next((each for each in raw["deployments"] if each["status"] == "PRIMARY"), {})
    if not found:
        raise BackendError(f"service {raw['serviceName']!r} has no primary deployment now: ask again")
    return found


def _standing(raw: Answer, tasks: list[Answer]) -> list[str]:
    """Return the task definitions that run, or are to: the newest first."""
    live = {each["taskDefinitionArn"] for each in tasks if each["desiredStatus"] != "STOPPED"}
    named = [
        each["taskDefinition"]
        for each in raw["deployments"]
        if each["status"] == "PRIMARY" or each["taskDefinition"] in live
    ]
    return list(dict.fromkeys(named))


def _whole(raw: Answer, found: Answer) -> Progress:
    """Return whether a deployment that is the primary one is complete and alone."""
    there, size = found.get("runningCount", 0), found.get("desiredCount", 0)
    old = sum(each.get("runningCount", 0) for each in raw["deployments"] if each is not found)
    done = found.get("rolloutState") == "COMPLETED" and there >= size and not old
    words = f"{there} of {size} running" + (f", {old} old" if old else "")
    trouble = "" if done else _services.trouble(raw)
    return Progress(
        phase="succeeded" if done else "running", message=f"{words}; {trouble}" if trouble else words
    )


def _overtaken(name: str) -> Progress:
    return Progress(phase="failed", message=f"somebody else has rolled out {name!r} meanwhile")
