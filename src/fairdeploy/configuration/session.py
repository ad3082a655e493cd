"""The objects that a command works with, made from what the configuration names."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.engine.deployer import Deployer
from fairdeploy.errors import Refused, UnknownRollout
from fairdeploy.guard.bindings import Bindings, load_bindings
from fairdeploy.guard.opening import open_backend

if TYPE_CHECKING:
    from fairdeploy.configuration.file import Configuration, Deployable
    from fairdeploy.engine.rollout import Rollout
    from fairdeploy.model import Target
    from fairdeploy.protocols import Backend, HealthCheck

__all__ = ["Session", "each_backend", "opened"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A target with its backend open.

    Args:
        name: Of the target, in the configuration.
        configuration: What the file says.
        deployable: What it says of this target.
        backend: Where it runs.
        deployer: Over that backend.
        bound: Checks and sources of the user's own module.
    """

    name: str
    configuration: Configuration
    deployable: Deployable
    backend: Backend
    deployer: Deployer
    bound: Bindings

    @property
    def target(self) -> Target:
        """Where."""
        return self.deployable.target

    def check(self, name: str) -> object:
        """Return a check by its name: of the file, or of the module."""
        found: dict[str, object] = {**self.bound.checks, **self.configuration.checks}
        return found[name]

    async def under_way(self) -> Rollout:
        """Return the rollout that acts on the target.

        Raises:
            Refused: If there is none.
        """
        running = (await self.deployer.status(self.target)).rollout
        if running is None:
            msg = f"no rollout acts on {self.name!r} now: fairdeploy history {self.name} lists those that did"
            raise Refused(msg)
        return await self.deployer.attach(running.id)

    async def latest(self, rollout: str | None = None) -> Rollout:
        """Return a rollout by its id; without one, the one under way, else the last.

        Raises:
            UnknownRollout: If there is no such rollout.
        """
        if rollout is not None:
            return await self.deployer.attach(rollout)
        known = await self.deployer.history(self.target)
        if not known:
            raise UnknownRollout(f"nothing was ever deployed to {self.name!r}: fairdeploy deploy {self.name}")
        return await self.deployer.attach(known[-1].id)


@asynccontextmanager
async def opened(
    configuration: Configuration, name: str, *, guard: bool | None = None
) -> AsyncGenerator[Session]:
    """Open the backend of a target.

    Args:
        configuration: What the file says.
        name: Of the target.
        guard: Whether a guard is kept while a rollout is open; ``None``: if the backend can keep one.

    Raises:
        InvalidInput: If there is no such target.
    """
    deployable = configuration.deployable(name)
    bound = load_bindings(configuration.bindings) if configuration.bindings else Bindings()
    async with open_backend(configuration.backends[deployable.backend], guard=guard) as backend:
        checks: dict[str, HealthCheck] = dict(bound.checks)
        deployer = Deployer(backend, checks=checks, sources=bound.sources)
        yield Session(
            name=name,
            configuration=configuration,
            deployable=deployable,
            backend=backend,
            deployer=deployer,
            bound=bound,
        )


@asynccontextmanager
async def each_backend(configuration: Configuration, name: str) -> AsyncGenerator[Deployer]:
    """Open a backend by its own name, whatever its targets are."""
    bound = load_bindings(configuration.bindings) if configuration.bindings else Bindings()
    async with open_backend(configuration.backends[name]) as backend:
        yield Deployer(backend, checks=bound.checks, sources=bound.sources)
