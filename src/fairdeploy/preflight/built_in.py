"""What is looked at on every backend."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio.to_thread

from fairdeploy.errors import FairdeployError, Unbound
from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.protocols import Preflight, Scene, Validation
from fairdeploy.validation import (
    described,
    image,
    lease,
    plain_secrets,
    seriousness,
    weights,
    why_placeholder,
    why_weak,
)

if TYPE_CHECKING:
    from fairdeploy.model import SecretRef, Target
    from fairdeploy.protocols import RolloutInfo

__all__ = ["validations"]


def validations() -> tuple[Validation, ...]:
    """Return what is looked at on every backend. None of it starts a program or asks the network."""
    return (
        Validation("release", aspect=Aspect.CONFIGURATION, look=_release),
        Validation("lease", aspect=Aspect.CONFIGURATION, look=_lease),
        Validation("weights", aspect=Aspect.CONFIGURATION, look=_weights),
        Validation("secrets", aspect=Aspect.SECRETS, look=_secrets),
        Validation("plain secrets", aspect=Aspect.SECRETS, look=_plain),
        Validation("preflight", aspect=Aspect.DEPENDENCIES, look=_preflight),
    )


async def _release(scene: Scene) -> Sequence[Finding]:
    return (*image(scene.release), *described(scene.target, scene.release))


async def _lease(scene: Scene) -> Sequence[Finding]:
    return lease(scene.target, await _infos(scene), round(time.time() * 1000))


async def _weights(scene: Scene) -> Sequence[Finding]:
    if scene.backend.router is None or scene.target.endpoint is None:
        return ()
    live = await scene.backend.router.observe(scene.target)
    return weights(scene.target, await _infos(scene), live.split)


async def _infos(scene: Scene) -> tuple[RolloutInfo, ...]:
    return await scene.backend.journal.rollouts(scene.target.id)


async def _plain(scene: Scene) -> Sequence[Finding]:
    return plain_secrets(scene.target, scene.release)


async def _secrets(scene: Scene) -> Sequence[Finding]:
    return [
        await anyio.to_thread.run_sync(_secret, name, secret, scene.target)
        for name, secret in scene.release.secrets.items()
    ]


def _secret(name: str, secret: SecretRef, target: Target) -> Finding:
    """Judge one secret. Its value stays here."""
    where = f"variable {secret.key!r}" if secret.source == "env" else f"file {secret.key!r}"
    try:
        value = secret.resolve()
    except Unbound as error:
        return Finding(
            name, aspect=Aspect.SECRETS, severity=Severity.CRITICAL, passed=False,
            message=str(error), remedy=f"provide it in {where}",
        )  # fmt: skip  # the shape of all findings here
    placeholder, weak = why_placeholder(value), why_weak(value)
    why = placeholder or weak
    return Finding(
        name,
        aspect=Aspect.SECRETS,
        severity=seriousness(target) if placeholder or not why else Severity.WARNING,
        passed=why is None,
        message=f"secret {name!r} of {where} {why or 'is there, and no value that everybody knows'}",
        remedy=f"generate one (openssl rand -hex 32) and put it into {where}" if why else "",
    )


async def _preflight(scene: Scene) -> Sequence[Finding]:
    """Ask the backend what it would refuse when a plan is made."""
    if not isinstance(scene.backend, Preflight):
        return ()
    try:
        await scene.backend.check(scene.target, scene.release)
    except FairdeployError as error:
        said = str(error)
        message, _, remedy = said.rpartition(": ")
        return (
            Finding(
                "preflight",
                aspect=Aspect.DEPENDENCIES,
                severity=Severity.CRITICAL,
                passed=False,
                message=message or said,
                remedy=remedy,
            ),
        )
    return (
        Finding(
            "preflight",
            aspect=Aspect.DEPENDENCIES,
            severity=Severity.CRITICAL,
            passed=True,
            message=f"the backend can start {scene.release.version!r}, and serve {scene.target.id!r}",
        ),
    )
