"""From what is wanted and what is there to a plan that needs nothing else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.engine.database_planning import refuse_unbound_databases, with_databases
from fairdeploy.engine.sources import bound, configured
from fairdeploy.engine.world import look
from fairdeploy.errors import InvalidInput, Refused, StalePlan, Unbound
from fairdeploy.model import (
    Base,
    BoundCheck,
    BoundSource,
    Check,
    Delegate,
    Deployment,
    Plan,
    Release,
    RevisionId,
    Scale,
    Start,
    Target,
    Verify,
)
from fairdeploy.model.check import bound_in, is_data
from fairdeploy.protocols import Preflight
from fairdeploy.strategies import refuse_unsupported, with_checks

if TYPE_CHECKING:
    from fairdeploy.protocols import (
        Backend,
        Database,
        HealthCheck,
        Journal,
        MetricSource,
        RolloutInfo,
        Strategy,
    )

__all__ = [
    "callables",
    "completed",
    "known_releases",
    "observed",
    "refuse_stale",
    "refuse_unbound",
    "refuse_unfit",
    "releases_of",
    "sealed",
]

_FINGERPRINT = 16
"""Hexadecimal digits of a secret's keyed hash that are kept: enough to see a change."""


def sealed(release: Release, key: bytes) -> Release:
    """Return the release with the fingerprint of each secret's present value (HMAC-SHA-256).

    Raises:
        Unbound: If a secret cannot be found.
    """
    if not release.secrets:
        return release
    env = dict(release.env)
    for name, secret in release.secrets.items():
        mark = hmac.new(key, f"{name}\0{secret.resolve()}".encode(), hashlib.sha256).hexdigest()
        env[name] = secret.sealed(mark[:_FINGERPRINT])
    return replace(release, env=env)


def refuse_unfit(release: Release, strategy: Strategy) -> None:
    """Do nothing if a release and a strategy are what they are to be: a name alone is neither.

    Raises:
        InvalidInput: If not.
    """
    if not isinstance(release, Release):
        msg = f"a release must be a Release, such as Release('1.4', command=[...]), not {release!r}"
        raise InvalidInput(msg)
    if isinstance(strategy, type) or not callable(getattr(strategy, "plan", None)):
        msg = f"a strategy must be an object with a plan method, such as Canary(), not {strategy!r}"
        raise InvalidInput(msg)


async def observed(backend: Backend, target: Target) -> Deployment:
    """Return what is there now, with the router's split.

    Raises:
        BackendError: If the backend cannot be observed.
        RouterError: If the router cannot be asked.
    """
    return (await look(backend, Base(target))).deployment


async def completed(
    plan: Plan,
    *,
    backend: Backend,
    name: str,
    checks: Mapping[str, Check | HealthCheck],
    sources: Mapping[str, MetricSource] | None = None,
    databases: Mapping[str, Database] | None = None,
) -> Plan:
    """Return a strategy's plan with the deployer's checks and every release that the way back may need.

    Raises:
        UnsupportedCapability: If the backend cannot do what the plan needs.
        StartError: If a release that it starts cannot be started at all.
        InvalidInput: If a target cannot be served.
        Refused: If a target cannot be served now, a database cannot be migrated now, or a step would scale a revision
            whose release is not known.
        Unbound: If a database that it names is not given.
        DatabaseError: If a database cannot be looked at.
        JournalError: If earlier plans cannot be read.
    """
    data = {key: check if is_data(check) else BoundCheck(key) for key, check in checks.items()}
    plan = _configured_sources(with_checks(plan, data), sources or {})
    refuse_unsupported(plan, backend.capabilities)
    wanted = {b.stable for b in plan.bases} | {b.candidate for b in plan.bases}
    missing = {revision for revision in wanted if revision is not None} - set(plan.releases)
    releases = dict(plan.releases)
    if missing:
        for base in plan.bases:
            known = await known_releases(backend.journal, base.target)
            releases |= {revision: known[revision] for revision in missing if revision in known}
    plan = replace(plan, releases=releases, bases=tuple(replace(base, backend=name) for base in plan.bases))
    _refuse_unknown(plan)
    await _check(plan, backend)
    return await with_databases(plan, databases or {})


def _refuse_unknown(plan: Plan) -> None:
    """Refuse to change the number of what was adopted: its release is nowhere written down."""
    for step in plan.steps:
        if isinstance(step, (Start, Scale)) and step.revision not in plan.releases:
            msg = (
                f"step {step.id!r} changes the number of instances of {step.revision!r}, which was adopted: neither the "
                "plan nor the journal holds its release; use BlueGreen or Canary, which bring the new one up beside it"
            )
            raise Refused(msg)


async def _check(plan: Plan, backend: Backend) -> None:
    """Ask the backend about everything that the plan starts, if it can tell."""
    if not isinstance(backend, Preflight):
        return
    starts = [step for step in plan.steps if isinstance(step, (Start, Scale, Delegate))]
    for target, revision in dict.fromkeys((step.target, step.revision) for step in starts):
        if revision in plan.releases:
            await backend.check(plan.base(target).target, plan.releases[revision])


async def known_releases(journal: Journal, target: Target) -> Mapping[RevisionId, Release]:
    """Return every release that a plan for the target has ever held.

    Raises:
        JournalError: If they cannot be read.
    """
    return releases_of(await journal.rollouts(target.id))


def releases_of(infos: Iterable[RolloutInfo]) -> Mapping[RevisionId, Release]:
    """Return every release in the plans of some rollouts."""
    return {revision: release for info in infos for revision, release in info.plan.releases.items()}


async def refuse_stale(plan: Plan, see: Callable[[Base], Awaitable[Deployment]]) -> None:
    """Refuse a plan whose targets have moved since it was made.

    Args:
        plan: The plan.
        see: Tells what is there now.

    Raises:
        StalePlan: If one has; the message says what moved.
    """
    for base in plan.bases:
        now = await see(base)
        moved = []
        if base.candidate in base.revisions and now.revision(str(base.candidate)) is None:
            # The way back leaves alone what was there before: it must know that this was not.
            moved.append(f"{base.candidate!r} was still there and has gone")
        elif now.fingerprint == base.fingerprint:
            continue
        if now.stable != base.stable:
            moved.append(f"stable was {base.stable!r} and is {now.stable!r}")
        if now.split != base.split:
            moved.append(f"traffic was {str(base.split)!r} and is {str(now.split)!r}")
        msg = f"the plan for {base.target.id!r} is stale: {'; '.join(moved) or 'it was made for something else'}; plan again"
        raise StalePlan(msg)


def _configured_sources(plan: Plan, sources: Mapping[str, MetricSource]) -> Plan:
    """Return the plan with the configuration of each source that is bound by its name.

    Raises:
        Unbound: If one is missing.
    """
    guards = tuple(
        replace(guard, source=replace(guard.source, configuration=configured(bound(guard.source, sources))))
        if isinstance(guard.source, BoundSource)
        else guard
        for guard in plan.guards
    )
    return replace(plan, guards=guards)


def refuse_unbound(
    plan: Plan,
    checks: Mapping[str, Check | HealthCheck],
    sources: Mapping[str, MetricSource],
    databases: Mapping[str, Database],
    *,
    promoting: bool = True,
) -> None:
    """Refuse to go forward without the callables, sources and databases that the plan names.

    Args:
        plan: The plan.
        checks: What is given.
        sources: Likewise.
        databases: Likewise.
        promoting: Whether databases that only what follows the promotion names count; see `refuse_unbound_databases`.

    Raises:
        Unbound: If one is missing, or a source or database is configured otherwise.
    """
    refuse_unbound_databases(plan, databases, promoting=promoting)
    for guard in plan.guards:
        if isinstance(guard.source, BoundSource):
            bound(guard.source, sources)
    named = [check for step in plan.steps if isinstance(step, Verify) for check in step.checks]
    named += [guard.check for guard in plan.guards]
    for check in named:
        for one in bound_in(check):
            if one.name not in checks:
                msg = f"the plan needs the check {one.name!r}: give Deployer(checks={{{one.name!r}: ...}})"
                raise Unbound(msg)


def callables(checks: Mapping[str, Check | HealthCheck]) -> Mapping[str, HealthCheck]:
    """Return those checks that are callables and not data."""
    return {name: check for name, check in checks.items() if not is_data(check)}
