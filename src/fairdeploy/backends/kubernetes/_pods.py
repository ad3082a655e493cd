"""From a release to what a cluster runs: a pure function."""

from __future__ import annotations

import hashlib
import json
import re
from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import StartError
from fairdeploy.model import CommandProbe, HTTPProbe, TCPProbe
from fairdeploy.routing.kubernetes import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Probe, Release, RevisionId, Target
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["Settings", "config_name", "deployment", "job", "secret_name"]

_CONFIG: Final = "/etc/fairdeploy"
_FORGET_JOBS: Final = 86_400
"""Seconds after which a job that has ended is taken away: who asked for it has seen it by then."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How pods are made.

    Args:
        template: A pod template to begin with, such as that of a Deployment that is there; else a plain one.
        container: Which of its containers is the release's; ``None``: the first.
        image: For releases that name none.
        port: Where instances listen, unless the template says so.
        pre_stop: Seconds that a pod which is being stopped waits before it is told, for those who still send to it.
        copy_secrets: Whether values of `SecretRef` may be written to Secrets of the cluster.
    """

    template: Object | None = None
    container: str | None = None
    image: str | None = None
    port: int = 8000
    pre_stop: int = 0
    copy_secrets: bool = False


def deployment(
    settings: Settings, target: Target, revision: RevisionId, release: Release, colour: str
) -> Object:
    """Return the Deployment of a revision, with no replicas yet."""
    labels = {names.TARGET: names.label(target), names.REVISION: revision}
    marked = {**labels, names.COLOUR: colour, names.SERVING: "true"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"{names.base(target)}-{colour}",
            "labels": {**labels, names.COLOUR: colour, "app.kubernetes.io/managed-by": "fairdeploy"},
        },
        "spec": {
            "replicas": 0,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            # Nothing of it is ever changed but the number: a strategy of the platform's own has nothing to do.
            "strategy": {"type": "Recreate"},
            "template": pod(settings, target, revision, release, marked),
        },
    }


def job(
    settings: Settings,
    target: Target,
    revision: RevisionId,
    release: Release,
    *,
    name: str,
    command: tuple[str, ...],
) -> Object:
    """Return a Job beside a revision, suspended."""
    labels = {names.TARGET: names.label(target), "fairdeploy.io/job": name}
    template = pod(settings, target, revision, release, labels)
    main = _main(settings, template["spec"]["containers"])
    for key in ("readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "ports", "args"):
        main.pop(key, None)
    main["command"] = [_filled(word, settings.port, revision) for word in command]
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "suspend": True,
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _FORGET_JOBS,
            "template": template,
        },
    }


def pod(
    settings: Settings, target: Target, revision: RevisionId, release: Release, labels: Mapping[str, str]
) -> Object:
    """Return the pod template of a release.

    Raises:
        StartError: If the release asks for what pods cannot do.
    """
    _check(settings, release)
    template: Object = deepcopy(settings.template) if settings.template is not None else {}
    meta, spec = template.setdefault("metadata", {}), template.setdefault("spec", {})
    meta["labels"] = {**(meta.get("labels") or {}), **labels}
    meta.pop("creationTimestamp", None)
    containers = spec.setdefault("containers", [{"name": "app"}])
    main = _main(settings, containers)
    port = next((each["containerPort"] for each in main.get("ports", [])), settings.port)
    main.setdefault("ports", [{"containerPort": port}])
    image = release.image or main.get("image") or settings.image
    if image is None:
        raise StartError(
            f"release {release.version!r} names no image, and nothing else does: give image='...'"
        )
    main["image"] = image
    if release.command:
        main["command"] = [_filled(word, port, revision) for word in release.command]
        main.pop("args", None)
    if release.workdir is not None:
        main["workingDir"] = release.workdir
    _environment(main, settings, target, release, port=port)
    _probes(main, release, port)
    if release.config:
        _configuration(spec, main, target, release)
    spec["terminationGracePeriodSeconds"] = ceil(release.stop_grace_ms / 1000) + settings.pre_stop
    if settings.pre_stop:
        main["lifecycle"] = {
            **main.get("lifecycle", {}),
            "preStop": {"sleep": {"seconds": settings.pre_stop}},
        }
    return template


def _check(settings: Settings, release: Release) -> None:
    words = (*release.command, *(value for value in release.env.values() if isinstance(value, str)))
    if any("{uds}" in word for word in words):
        raise StartError(
            f"release {release.version!r} asks for {{uds}}: pods are reached by a port, write {{port}}"
        )
    if release.stop_signal != "SIGTERM":
        raise StartError(
            f"release {release.version!r} asks for {release.stop_signal}: Kubernetes sends what the image's STOPSIGNAL "
            "says, set it there and leave stop_signal out"
        )
    if release.secrets and not settings.copy_secrets:
        raise StartError(
            f"release {release.version!r} has secrets {sorted(release.secrets)!r}: name a Secret of the cluster in the "
            "template's envFrom, or allow them to be copied with copy_secrets=True"
        )


def _main(settings: Settings, containers: list[Object]) -> Object:
    for each in containers:
        if settings.container in {None, each["name"]}:
            return each
    known = [each["name"] for each in containers]
    raise StartError(f"the template has no container {settings.container!r}: it has {known!r}")


def _filled(word: str, port: int, revision: RevisionId) -> str:
    """Put in what a placeholder stands for; ``$`` is doubled, as Kubernetes would put variables in."""
    plain = word.replace("$", "$$")
    values = {"port": str(port), "revision": revision, "instance": "$(POD_NAME)", "config": _CONFIG}
    return re.sub(r"\{(port|revision|instance|config)\}", lambda found: values[found[1]], plain)


def _environment(main: Object, settings: Settings, target: Target, release: Release, *, port: int) -> None:
    mine: dict[str, Object] = {
        "POD_NAME": {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    }
    for key, value in release.env.items():
        if isinstance(value, str):
            mine[key] = {"name": key, "value": _filled(value, port, release.revision)}
        elif settings.copy_secrets:
            source = {"name": secret_name(target, release.revision), "key": key}
            mine[key] = {"name": key, "valueFrom": {"secretKeyRef": source}}
    before = [each for each in main.get("env", []) if each["name"] not in mine]
    main["env"] = [*mine.values(), *before]


def _probes(main: Object, release: Release, port: int) -> None:
    readiness, liveness = release.probes.readiness, release.probes.liveness
    words = (*release.command, *(value for value in release.env.values() if isinstance(value, str)))
    if readiness is not None:
        main["readinessProbe"] = _probe(readiness, port)
    elif "readinessProbe" not in main and any("{port}" in word for word in words):
        main["readinessProbe"] = _probe(TCPProbe(), port)
    if liveness is not None:
        main["livenessProbe"] = _probe(liveness, port)


def _probe(probe: Probe, port: int) -> Object:
    made: Object = {
        # The platform counts whole seconds only.
        "periodSeconds": max(1, ceil(probe.interval_ms / 1000)),
        "timeoutSeconds": max(1, ceil(probe.timeout_ms / 1000)),
        "successThreshold": probe.successes,
        "failureThreshold": probe.failures,
        "initialDelaySeconds": probe.initial_delay_ms // 1000,
    }
    match probe:
        case HTTPProbe(path=path, host=host):
            headers = [{"name": "Host", "value": host}] if host else []
            made["httpGet"] = {"path": path, "port": port, "httpHeaders": headers}
        case TCPProbe():
            made["tcpSocket"] = {"port": port}
        case CommandProbe(command=command):
            made["exec"] = {"command": [word.replace("{port}", str(port)) for word in command]}
    return made


def _configuration(spec: Object, main: Object, target: Target, release: Release) -> None:
    """Mount the release's files: the ConfigMap is named by what is in it."""
    items = [{"key": _key(path), "path": path} for path in sorted(release.config)]
    volume = {
        "name": "fairdeploy-config",
        "configMap": {"name": config_name(target, release), "items": items},
    }
    spec["volumes"] = [*spec.get("volumes", []), volume]
    mount = {"name": "fairdeploy-config", "mountPath": _CONFIG, "readOnly": True}
    main["volumeMounts"] = [*main.get("volumeMounts", []), mount]


def _key(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:16]


def config_data(release: Release) -> dict[str, str]:
    """Return what the ConfigMap of a release holds, by keys that any path fits into."""
    return {_key(path): text for path, text in release.config.items()}


def config_name(target: Target, release: Release) -> str:
    """Return the name of the ConfigMap of a release: a hash of what is in it."""
    told = json.dumps(dict(release.config), sort_keys=True)
    return f"{names.base(target)}-{hashlib.sha256(told.encode()).hexdigest()[:10]}"


def secret_name(target: Target, revision: RevisionId) -> str:
    """Return the name of the Secret that a revision's secrets are copied to."""
    return f"{names.base(target)}-{hashlib.sha256(revision.encode()).hexdigest()[:10]}"
