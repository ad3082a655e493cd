"""Look at everything before anything moves."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.errors import FairdeployError, InvalidInput
from fairdeploy.model import Aspect, Finding, HTTPProbe, Release, Severity, Target
from fairdeploy.preflight import built_in
from fairdeploy.protocols import Scene, Validated, Validation
from fairdeploy.validation import concluded, stops, waves

if TYPE_CHECKING:
    from fairdeploy.model import ValidationResult
    from fairdeploy.protocols import Backend

__all__ = ["DeploymentValidator", "validated"]

_LOG = logging.getLogger("fairdeploy")
_LONGEST = 300.0
"""Seconds that all validations may take together."""


@final
class DeploymentValidator:
    """Says whether a release can be deployed, before anything moves.

    Aspects are looked at one after the other (see `Aspect`), everything within one at once, each with its deadline.
    A bad critical finding ends it: what comes after is not looked at. Nothing that is there is changed. The last
    aspect may start a throw-away instance beside it, which gets no traffic and is stopped again.

    Args:
        backend: Where it is to run.
        target: Where there; one for each environment, if there are several.
        release: What is to run.
        validations: What else to look at, such as `reachable` and `schema_version`.
        without: Names of validations to leave out, such as ``"rehearsal"``.
        path: What a trial instance is asked while it is told to stop; ``None``: its readiness probe's path,
            else ``/``. One that takes a second shows best whether requests are finished.

    Raises:
        InvalidInput: If there is no target, or two are of one environment, or the path cannot be asked.

    Example:
        >>> validator = DeploymentValidator(backend, target, release)  # doctest: +SKIP
        >>> print(await validator.validate_deployment("production"))  # doctest: +SKIP
    """

    def __init__(
        self,
        backend: Backend,
        target: Target | Sequence[Target],
        release: Release,
        *,
        validations: Sequence[Validation] = (),
        without: Collection[str] = (),
        path: str | None = None,
    ) -> None:
        """Take what is to be looked at; nothing is looked at yet."""
        targets = (target,) if isinstance(target, Target) else tuple(target)
        for each in targets:
            if not isinstance(each, Target):
                msg = f"a target must be a Target, such as Target('shop'), not {each!r}"
                raise InvalidInput(msg)
        if not isinstance(release, Release):
            msg = f"a release must be a Release, such as Release('1.4', command=[...]), not {release!r}"
            raise InvalidInput(msg)
        self._targets = {each.environment: each for each in targets}
        if not targets or len(self._targets) < len(targets):
            msg = f"give one target for each environment, not {[each.id for each in targets]!r}"
            raise InvalidInput(msg)
        if isinstance(without, str):
            msg = f"without must hold names, such as {{{without!r}}}, not be one"
            raise InvalidInput(msg)
        if path is not None:
            HTTPProbe(path)  # refuses what cannot be asked
        self._path = path
        self._backend = backend
        self._release = release
        self._more = tuple(validations)
        self._without = frozenset(without)

    async def validate_deployment(
        self, environment: str | None = None, *, only: Collection[Aspect] | None = None
    ) -> ValidationResult:
        """Look at everything, and return what was found; a bad finding raises nothing.

        Args:
            environment: Of which target; may be left out if there is one only.
            only: Aspects to look at; ``None``: all six.

        Raises:
            InvalidInput: If there is no target of this environment, or a name in ``without`` is of no validation.
        """
        target = self._target(environment)
        scene = Scene(backend=self._backend, target=target, release=self._release, path=self._path)
        return await validated(scene, self._more, only=only, without=self._without)

    def _target(self, environment: str | None) -> Target:
        if environment is None and len(self._targets) == 1:
            return next(iter(self._targets.values()))
        found = self._targets.get(environment) if environment is not None else None
        if found is None:
            msg = f"there is no target in environment {environment!r}; known are {sorted(self._targets)!r}"
            raise InvalidInput(msg)
        return found


async def validated(
    scene: Scene,
    more: Sequence[Validation] = (),
    *,
    only: Collection[Aspect] | None = None,
    without: Collection[str] = (),
) -> ValidationResult:
    """Look at a scene with everything that is built in, the backend's own, and ``more``.

    Raises:
        InvalidInput: If two validations have one name, or one to leave out is not there.
    """
    own = scene.backend.validations() if isinstance(scene.backend, Validated) else ()
    findings: list[Finding] = []
    with anyio.move_on_after(_LONGEST) as all_in_all:
        for wave in waves((*built_in.validations(), *own, *more), only=only, without=without):
            findings += await _at_once(wave, scene)
            if stops(findings):
                break
    if all_in_all.cancelled_caught:
        findings.append(_too_long())
    return concluded(findings, target=scene.target.id, at=datetime.now(UTC))


def _too_long() -> Finding:
    return Finding(
        "time",
        aspect=Aspect.CAPACITY,
        severity=Severity.WARNING,
        passed=False,
        message=f"not everything could be looked at within {_LONGEST:g} s",
        remedy="leave out what takes so long, or give it a shorter deadline",
    )


async def _at_once(wave: Sequence[Validation], scene: Scene) -> list[Finding]:
    """Look at everything of one aspect at once; report in the order given."""
    found: dict[str, Sequence[Finding]] = {}

    async def look(validation: Validation) -> None:
        found[validation.name] = await _one(validation, scene)

    async with anyio.create_task_group() as tasks:
        for validation in wave:
            tasks.start_soon(look, validation)
    return [finding for validation in wave for finding in found.get(validation.name, ())]


async def _one(validation: Validation, scene: Scene) -> Sequence[Finding]:
    try:
        with anyio.fail_after(validation.deadline):
            return [_placed(each, validation) for each in await validation.look(scene)]
    except TimeoutError:
        why = f"it took longer than {validation.deadline:g} s"
    except FairdeployError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 -- a validation may raise anything; what it says may hold a secret
        _LOG.debug("validation %r raised", validation.name, exc_info=error)
        why = f"it raised {type(error).__name__}"
    return [
        Finding(
            validation.name,
            aspect=validation.aspect,
            severity=Severity.WARNING,
            passed=False,
            message=f"{validation.name!r} could not be found out: {why}",
            remedy="see that it can be, or leave it out with without={" + repr(validation.name) + "}",
        )
    ]


def _placed(finding: Finding, validation: Validation) -> Finding:
    """Return a finding where it was looked for: its aspect is its validation's."""
    if not isinstance(finding, Finding):
        msg = f"validation {validation.name!r} must return findings, not {type(finding).__name__}"
        raise InvalidInput(msg)
    return finding if finding.aspect is validation.aspect else replace(finding, aspect=validation.aspect)
