"""The tools that look. None of them changes anything but the list of plans that wait for a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field

from fairdeploy.compose import check_compose as judged, read_compose
from fairdeploy.configuration.file import Configuration, released
from fairdeploy.configuration.session import opened
from fairdeploy.errors import InvalidInput
from fairdeploy.health import HealthChecker
from fairdeploy.mcp.answers import (
    LONGEST,
    Advice,
    Entry,
    Explanation,
    Past,
    Proposal,
    Report,
    Serving,
    TargetEntry,
    Told,
    clipped,
)
from fairdeploy.mcp.approvals import Approvals
from fairdeploy.model.plan_text import summary
from fairdeploy.patterns import InstitutionRequirements, recommend as recommended
from fairdeploy.preflight import DeploymentValidator

if TYPE_CHECKING:
    from fairdeploy.health import HealthRule
    from fairdeploy.model import RolloutResult
    from fairdeploy.model.check import Asked
    from fairdeploy.patterns import Recommendation
    from fairdeploy.protocols import HealthCheck, RolloutInfo

__all__ = ["tools"]

_Tool = Callable[..., Awaitable[object]]
_Limit = Annotated[int, Field(ge=1, le=100)]
_LINE = 300
_REASON = 500


def tools(configuration: Configuration, named: Callable[[str], str]) -> tuple[_Tool, ...]:
    """Return the tools.

    Args:
        configuration: What there is.
        named: Returns a target's name, or refuses it.
    """
    return (*_choosing(), *_planning(configuration, named), *_watching(configuration, named))


def _choosing() -> Sequence[_Tool]:
    async def recommend(answers: dict[str, str | list[str]]) -> Advice:
        """Recommend how to host.

        answers: budget, expertise, expected_growth (low, medium, high), data_sovereignty (yes, no), compliance (a list).
        An answer that is wrong is refused with what was expected.
        """
        advice = _advice(answers)
        return Advice(
            best=None if advice.best is None else advice.best.key,
            summary=clipped(advice.summary()),
            eligible=tuple(each.key for each in advice.eligible),
            excluded=tuple(each.key for each in advice.excluded),
        )

    async def explain(
        answers: dict[str, str | list[str]], part: Annotated[int, Field(ge=1)] = 1
    ) -> Explanation:
        """Explain a recommendation: every reason with its source, and what would change the answer; in parts."""
        text = _advice(answers).explain()
        parts = [text[at : at + LONGEST] for at in range(0, len(text), LONGEST)]
        if part > len(parts):
            raise InvalidInput(f"part must be at most {len(parts)}, not {part!r}")
        return Explanation(parts[part - 1], part, len(parts))

    return (recommend, explain)


def _advice(answers: dict[str, str | list[str]]) -> Recommendation:
    return recommended(InstitutionRequirements.read(dict(answers)))


def _planning(configuration: Configuration, named: Callable[[str], str]) -> Sequence[_Tool]:
    approvals = Approvals(configuration.file)
    folder = configuration.file.absolute().parent.resolve()

    async def plan(
        target: str, version: str | None = None, image: str | None = None, strategy: str | None = None
    ) -> Proposal:
        """Show what a deployment would do, and keep the plan by its digest. Nothing moves."""
        async with opened(configuration, named(target), guard=False) as session:
            how = configuration.strategy(strategy or session.deployable.strategy)
            release = released(session.deployable, version=version, image=image)
            made = await session.deployer.plan(session.target, release, how)
        await approvals.propose(made, target)
        may = made.changes and target in configuration.assistants.apply
        then = (
            f"a person types: fairdeploy approve-plan {made.hash}" if may else "nothing: this is for reading"
        )
        return Proposal(made.hash, made.changes, summary(made), clipped(str(made)), then)

    async def validate(target: str, version: str | None = None, image: str | None = None) -> Report:
        """Look whether a deployment can work: configuration, secrets, capacity and so on. Nothing moves."""
        async with opened(configuration, named(target), guard=False) as session:
            release = released(session.deployable, version=version, image=image)
            found = await DeploymentValidator(session.backend, session.target, release).validate_deployment()
        return Report(not found.refused, clipped(str(found)))

    async def check_compose(files: list[str]) -> Report:
        """Say whether the services of Compose files can be replaced without downtime.

        files: relative to the configuration's folder, and within it; merged as Docker merges them.
        """
        paths = [(folder / file).resolve() for file in files]
        outside = [path for path in paths if not path.is_relative_to(folder)]
        if outside or not files:
            raise InvalidInput("files must be names of Compose files within the configuration's folder")
        report = judged(await read_compose([str(path) for path in paths]))
        return Report(report.can_roll, clipped(str(report)))

    async def targets() -> tuple[TargetEntry, ...]:
        """List the targets that can be looked at."""
        allowed = configuration.assistants.targets
        return tuple(
            TargetEntry(name, each.target.id, name in configuration.assistants.apply)
            for name, each in configuration.deployables.items()
            if allowed is None or name in allowed
        )

    return (targets, plan, validate, check_compose)


def _watching(configuration: Configuration, named: Callable[[str], str]) -> Sequence[_Tool]:
    async def status(target: str) -> Serving:
        """Show what serves now, and the rollout under way."""
        async with opened(configuration, named(target), guard=False) as session:
            now = await session.deployer.status(session.target)
        running = None if now.rollout is None else now.rollout.id
        return Serving(clipped(str(now)), now.deployment.stable, running)

    async def history(target: str, limit: _Limit = 20) -> Past:
        """List the last rollouts of a target."""
        async with opened(configuration, named(target), guard=False) as session:
            known = await session.deployer.history(session.target)
        # Ten such lines are 8 KB at their longest: a longer list has shorter reasons.
        most = max(40, _REASON * 10 // limit)
        return Past(tuple(_entry(info, most) for info in known[-limit:]), len(known))

    async def rollout(target: str, rollout: str, after: int = 0, limit: _Limit = 30) -> Told:
        """Tell how a rollout goes or went: its outcome, and its events after a position."""
        async with opened(configuration, named(target), guard=False) as session:
            known = {info.id: info for info in await session.deployer.history(session.target)}
            if rollout not in known:
                raise InvalidInput(f"target {target!r} has no rollout {rollout[:80]!r}: history lists them")
            events = await session.backend.journal.read(rollout, since=after)
        shown = events[:limit]
        # The first line of an event is ours; instances' own last words, below it, may hold anything.
        lines = tuple(f"{event.seq} {str(event).splitlines()[0][: LONGEST // limit]}" for event in shown)
        last = shown[-1].seq if shown else after
        return Told(_entry(known[rollout], _REASON), lines, last, len(events) > limit)

    async def health(target: str) -> Report:
        """Ask a target's checks once."""
        async with opened(configuration, named(target), guard=False) as session:
            names = session.deployable.checks
            if not names:
                raise InvalidInput(f"target {target!r} has no checks in the configuration")
            # What `check` finds is of the file or of the module, both proved when they were read.
            checks = {name: cast("Asked | HealthCheck | HealthRule", session.check(name)) for name in names}
            checker = HealthChecker(checks, target=session.target, backend=session.backend)
            found = await checker.check_deployment_health()
        return Report(found.healthy, clipped(str(found)))

    return (status, history, rollout, health)


def _entry(info: RolloutInfo, most: int) -> Entry:
    result: RolloutResult | None = info.result
    if result is None:
        return Entry(info.id, info.plan.strategy, "", "")
    lines = result.reason.splitlines() or [""]
    return Entry(info.id, info.plan.strategy, str(result.outcome), lines[0][:most])
