"""What a release and a target say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.validation.placeholder import is_secret_name, why_placeholder

if TYPE_CHECKING:
    from fairdeploy.model import Release, Target

__all__ = ["RELAXED", "described", "image", "plain_secrets", "seriousness"]

RELAXED = frozenset({"ci", "demo", "dev", "develop", "development", "local", "sandbox", "test", "testing"})
"""Environments in which a placeholder is no reason to stop."""

_ASSIGNMENT = re.compile(
    r"""(?:^|[{,])\s*(?:export\s+)?["']?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)["']?\s*[:=]\s*["']?(?P<value>[^\s"'#,]+)""",
    re.MULTILINE,
)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_MOVING = frozenset({"latest", "main", "master", "edge", "nightly", "stable", "dev"})


def seriousness(target: Target) -> Severity:
    """Return what a placeholder means in this environment."""
    return Severity.WARNING if target.environment in RELAXED else Severity.CRITICAL


def image(release: Release) -> tuple[Finding, ...]:
    """Judge how the image is named: only a digest names the same bytes for ever."""
    if release.image is None:
        return ()
    pinned = bool(_DIGEST.search(release.image))
    last = release.image.rpartition("/")[2]
    tag = last.partition("@")[0].partition(":")[2] or "latest"
    if pinned:
        message = f"image {release.image!r} is named by its digest"
    elif tag in _MOVING:
        message = f"image {release.image!r} names whatever {tag!r} is at the moment: no way back leads to it"
    else:
        message = f"image {release.image!r} is named by a tag, which can be given to another image"
    return (
        Finding(
            "image",
            aspect=Aspect.CONFIGURATION,
            severity=Severity.WARNING,
            passed=pinned,
            message=message,
            remedy=""
            if pinned
            else "name it by digest: repository@sha256:..., as the registry tells after a push",
        ),
    )


def described(target: Target, release: Release) -> tuple[Finding, ...]:
    """Judge whether readiness can be told, and whether the release fits the target."""
    if target.endpoint is None or not release.serves:
        return ()
    probed = release.probes.readiness is not None
    return (
        Finding(
            "readiness probe",
            aspect=Aspect.CONFIGURATION,
            severity=Severity.WARNING,
            passed=probed,
            message=f"readiness of {release.version!r} is asked by a probe"
            if probed
            else f"release {release.version!r} has no readiness probe: it gets traffic as soon as its port opens",
            remedy="" if probed else "give probes=Probes(readiness=HTTPProbe('/health'))",
        ),
    )


def plain_secrets(target: Target, release: Release) -> tuple[Finding, ...]:
    """Judge values that stand in the release itself, and so in plans and journals."""
    bad: list[Finding] = []
    for where, name, value in _values(release):
        why = why_placeholder(value)
        if why is not None:
            bad.append(
                Finding(
                    f"{where}",
                    aspect=Aspect.SECRETS,
                    severity=seriousness(target),
                    passed=False,
                    message=f"{name!r} in {where} {why}",
                    remedy=f"generate one (openssl rand -hex 32) and give it as SecretRef.file or SecretRef.env: {name}",
                )
            )
        else:
            bad.append(
                Finding(
                    f"{where}",
                    aspect=Aspect.SECRETS,
                    severity=Severity.WARNING,
                    passed=False,
                    message=f"{name!r} in {where} looks like a secret, and stands in plans and journals as plain text",
                    remedy=f"give it as SecretRef.file('/...') or SecretRef.env({name!r})",
                )
            )
    return tuple(bad)


def _values(release: Release) -> Iterator[tuple[str, str, str]]:
    for name, value in release.env.items():
        if isinstance(value, str) and "{" not in value and _tells(name, value):
            yield "env", name, value
    for path, text in release.config.items():
        for found in _ASSIGNMENT.finditer(text):
            if is_secret_name(found["name"].replace("-", "_").replace(".", "_")):
                yield f"config file {path!r}", found["name"], found["value"]


def _tells(name: str, value: str) -> bool:
    if is_secret_name(name):
        return True
    return "://" in value and "@" in value and (why_placeholder(value) or "").startswith("holds")
