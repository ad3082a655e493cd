"""What a backend brings along to join the crash suite."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Protocol, cast, final, runtime_checkable

from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.model import Deployment, Job, Release, Target
    from fairdeploy.protocols import Backend, Database, RolloutInfo
    from fairdeploy.testing.crash.stories import Story
    from fairdeploy.testing.load import LoadProcess

__all__ = ["CrashHouse", "Furnished", "Housing"]


class CrashHouse(Protocol):
    """A place where programs deploy and die. It is made anew, from the same words, in every one of them."""

    @property
    def target(self) -> Target:
        """Where they deploy."""
        ...

    def open(self) -> AbstractAsyncContextManager[Backend]:
        """Open the backend as any program would, and let nobody else (no guard) recover what dies there."""
        ...

    def release(self, version: str) -> Release:
        """Return a release that serves; another version is another revision."""
        ...

    def job(self, version: str) -> Job | None:
        """Return a job that leaves a trace each time it runs, or ``None`` where there are no jobs."""
        ...

    def runs(self, version: str) -> int:
        """Return how often the job of a version has run."""
        ...

    def load(self) -> AbstractAsyncContextManager[LoadProcess] | None:
        """Return visitors of the target for as long as the context is entered, or ``None`` if it cannot be visited."""
        ...

    def strays(self, deployment: Deployment) -> Sequence[str]:
        """Return what is there and not in the deployment, such as a process that nobody knows, each in a few words."""
        ...


@runtime_checkable
class Furnished(Protocol):
    """What a `CrashHouse` has too if its programs act on databases."""

    @property
    def stories(self) -> Mapping[str, Story]:
        """What its programs do beside `STORIES`, by name."""
        ...

    def databases(self) -> Mapping[str, Database]:
        """Return the databases by name, opened anew for each program."""
        ...

    async def complaints(self, story: str, infos: Sequence[RolloutInfo]) -> Sequence[str]:
        """Return what is wrong with the databases, each a sentence, once the rollouts of a story have ended."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Housing:
    """How to make a house, in any program: a function or class of a module, and words for it.

    Args:
        name: ``module:function``; the module must be importable by a program of its own.
        words: What it is called with.

    Raises:
        InvalidInput: If the name has another form.
    """

    name: str
    words: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Prove the form of the name."""
        module, colon, function = self.name.partition(":")
        if not (module and colon and function):
            msg = f"a house is named 'module:function', not {self.name!r}: such as 'shop.testing:house'"
            raise InvalidInput(msg)

    @classmethod
    def of(cls, factory: Callable[..., CrashHouse], *words: str) -> Housing:
        """Return it from the function itself, which must be found by its name in its module."""
        return cls(f"{factory.__module__}:{factory.__qualname__}", words)

    def make(self) -> CrashHouse:
        """Make the house.

        Raises:
            InvalidInput: If there is no such function.
        """
        module, _, path = self.name.partition(":")
        try:
            factory = reduce(getattr, path.split("."), importlib.import_module(module))
        except (ImportError, AttributeError) as error:
            msg = f"house {self.name!r} cannot be found ({error}): name a function of a module that can be imported"
            raise InvalidInput(msg) from error
        return cast("Callable[..., CrashHouse]", factory)(*self.words)
