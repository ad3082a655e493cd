"""What keeps a service from rolling, each rule by itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from fairdeploy.compose.case import Case
from fairdeploy.compose.report import Remark
from fairdeploy.compose.roles import data, is_database, source_code
from fairdeploy.compose.starting import is_dev_server, migrates, only_migrates, shell_script, wrapped_by
from fairdeploy.model import Severity

__all__ = ["RULES"]

_SHORT_MS: Final = 5_000
_SESSIONS: Final = re.compile(r"(?i)(?:^|/)(?:sessions?|uploads?|media|user[-_]?files|storage/app)(?:/|$)")
_FILE_SESSIONS: Final = {
    "SESSION_DRIVER": {"file"},
    "SESSION_TYPE": {"filesystem", "file"},
    "SESSION_ENGINE": {"django.contrib.sessions.backends.file"},
    "SESSION_STORE": {"file", "filesystem"},
}


_Rule: TypeAlias = Callable[[Case], Iterator[Remark]]


def _container_name(case: Case) -> Iterator[Remark]:
    if name := case.service.container_name:
        yield case.remark(
            "container-name",
            Severity.CRITICAL,
            f"container_name {name!r} can be given to one container only, and a rollout needs two",
            "take it out: other services reach it by its service name, and so does `docker compose logs`",
            "container_name",
        )


def _host_ports(case: Case) -> Iterator[Remark]:
    fixed = case.service.published
    tcp = [port for port in fixed if port.protocol == "tcp"]
    other = [port for port in fixed if port.protocol != "tcp"]
    if tcp:
        names = ", ".join(str(port.published) for port in tcp)
        yield case.remark(
            "host-port",
            Severity.WARNING,
            f"port {names} of the host can belong to one container only",
            "give the target an endpoint on another port, where the router listens, and lead users there: the file stays as it is",
            "ports",
        )
    if len({port.target for port in tcp}) > 1:
        yield case.remark(
            "several-ports",
            Severity.WARNING,
            f"it publishes {len({port.target for port in tcp})} ports, and a target has one endpoint",
            "choose the one that users come to; publish the others from a service of their own",
            "ports",
        )
    if other:
        names = ", ".join(f"{port.published}/{port.protocol}" for port in other)
        yield case.remark(
            "udp-port",
            Severity.CRITICAL,
            f"port {names} carries no TCP, which the routers do not pass on",
            "keep this service out of rollouts, or put what speaks UDP into a service of its own",
            "ports",
        )


def _network(case: Case) -> Iterator[Remark]:
    mode = case.service.network_mode
    if mode == "host" or (mode or "").startswith(("service:", "container:")):
        yield case.remark(
            "network-mode",
            Severity.CRITICAL,
            f"network_mode {mode!r} shares a network stack: two containers would want the same ports of it",
            "put it on a network of the project",
            "network_mode",
        )
    if fixed := [each for each in case.service.networks if each.address]:
        yield case.remark(
            "fixed-address",
            Severity.CRITICAL,
            f"address {fixed[0].address} on network {fixed[0].network!r} can be given to one container only",
            "take the address out and use the service's name",
            "networks",
        )
    if sharing := [
        other.name
        for other in case.file.services.values()
        if other.network_mode == f"service:{case.service.name}"
    ]:
        yield case.remark(
            "network-shared",
            Severity.CRITICAL,
            f"{sharing!r} lives in this container's network stack and would lose it with the old container",
            "give that service a network of its own",
        )


def _volumes(case: Case) -> Iterator[Remark]:
    code = source_code(case.service, case.file.folder)
    if code:
        yield case.remark(
            "source-mounted",
            Severity.CRITICAL,
            f"{code[0].target!r} is the developer's folder, not the image's: both versions would run the same files",
            "take the mount out of the file that is deployed, and keep it in compose.override.yaml for development",
            "volumes",
        )
    kept = [mount for mount in data(case.service) if mount not in code]
    if named := [mount for mount in kept if mount.source]:
        paths = ", ".join(mount.target for mount in named)
        yield case.remark(
            "writable-volume",
            Severity.WARNING if case.opted_in or case.role == "one-shot" else Severity.CRITICAL,
            f"it keeps data in {paths}, which the old and the new version would both write",
            "keep it out of rollouts; opt in if both versions may write there at once, mount it read_only if it only reads",
            "volumes",
        )
    loose = [mount for mount in kept if not mount.source]
    if loose or _image_volumes(case):
        paths = ", ".join([*(mount.target for mount in loose), *_image_volumes(case)])
        yield case.remark(
            "anonymous-volume",
            Severity.WARNING,
            f"{paths} is an anonymous volume: a new container begins with an empty one",
            "name the volume if its content matters, or use tmpfs if it does not",
            "volumes",
        )
    if case.role == "stateful" and is_database(case.service) and not kept:
        yield case.remark(
            "data-in-container",
            Severity.WARNING,
            "it is a store without a volume of its own: its data go with the container",
            "give it a named volume, unless it is a cache",
        )
    if case.service.volumes_from:
        yield case.remark(
            "volumes-from",
            Severity.WARNING,
            f"volumes_from {case.service.volumes_from[0]!r} ties it to one container of that service",
            "declare the volume at the top level, and mount it in both",
            "volumes_from",
        )


def _image_volumes(case: Case) -> list[str]:
    startup = case.service.build.startup if case.service.build else None
    mounted = {mount.target for mount in case.service.mounts}
    return [path for path in startup.volumes if path not in mounted] if startup else []


def _probe(case: Case) -> Iterator[Remark]:
    startup = case.service.build.startup if case.service.build else None
    check = case.service.healthcheck
    if case.role == "one-shot":
        return
    if (check is None and not (startup and startup.healthcheck)) or (check is not None and check.disabled):
        what = "is switched off" if check is not None else "is not declared"
        yield case.remark(
            "no-probe",
            Severity.WARNING,
            f"a healthcheck {what}: that the port is open says little about whether it can serve",
            "give the release a readiness probe such as HTTPProbe('/health'), and the file a healthcheck",
            "healthcheck",
        )
    elif check is not None and check.start_interval_ms is not None:
        yield case.remark(
            "start-interval",
            Severity.INFO,
            "start_interval needs Docker Engine 25: an older one refuses to start the service",
            "see `docker version`; rollouts use their own probes and do not need it",
            "healthcheck",
        )


def _signals(case: Case) -> Iterator[Remark]:
    service = case.service
    startup = service.build.startup if service.build else None
    if case.role == "one-shot":
        return
    shell = bool(startup and startup.entrypoint_shell and service.entrypoint is None)
    if shell or shell_script(service) is not None:
        yield case.remark(
            "shell-form",
            Severity.WARNING,
            "a shell is process 1 and passes SIGTERM on to nobody: requests in flight are cut when Docker kills it",
            "write the command as a list, or begin the script's last command with 'exec'",
            "command",
        )
    elif manager := wrapped_by(service):
        yield case.remark(
            "package-manager",
            Severity.WARNING,
            f"{manager} stays in front of the program and may not pass SIGTERM on",
            "start the program itself, such as ['node', 'server.js']",
            "command",
        )
    signal = service.stop_signal or (startup.stop_signal if startup else None)
    if signal in {"SIGKILL", "KILL", "9"}:
        yield case.remark(
            "stop-signal",
            Severity.CRITICAL,
            "it is stopped by SIGKILL, so that no request in flight can end",
            "take stop_signal out, or name the signal on which it finishes what it has",
            "stop_signal",
        )
    if service.stop_grace_ms is not None and service.stop_grace_ms < _SHORT_MS:
        yield case.remark(
            "short-grace",
            Severity.WARNING,
            f"stop_grace_period is {service.stop_grace_ms} ms: what takes longer is cut",
            "allow as long as the longest request takes",
            "stop_grace_period",
        )


def _boot(case: Case) -> Iterator[Remark]:
    if case.role != "one-shot" and migrates(case.service) and not only_migrates(case.service):
        yield case.remark(
            "migrates-at-boot",
            Severity.WARNING,
            "it changes the schema whenever a container starts: under the old version, and in several containers at once",
            "run migrations as a step of the plan or as a one-shot service, and only ones the old version can live with",
            "command",
        )
    if not is_database(case.service) and (words := is_dev_server(case.service)):
        yield case.remark(
            "dev-server",
            Severity.WARNING,
            f"{words!r} is for development: it serves few requests at a time, and drops them when it stops",
            "start a production server, such as gunicorn, uvicorn or nginx, without reloading",
            "command",
        )


def _sessions(case: Case) -> Iterator[Remark]:
    service = case.service
    if case.role == "stateful" and not any(_SESSIONS.search(mount.target) for mount in data(service)):
        return
    by_file = [
        n for n, wanted in _FILE_SESSIONS.items() if (service.environment.get(n) or "").lower() in wanted
    ]
    mounted = [mount.target for mount in data(service) if _SESSIONS.search(mount.target)]
    php = bool(
        service.image and re.search(r"(?:^|/)(?:php|wordpress|drupal|nextcloud)(?:[:@]|$)", service.image)
    )
    if by_file or mounted or php:
        what = by_file[0] if by_file else repr(mounted[0]) if mounted else "PHP's default"
        yield case.remark(
            "local-sessions",
            Severity.WARNING,
            f"sessions or uploads lie on local disk ({what}): who comes to another container does not find them",
            "keep sessions in a database or signed cookies, uploads in object storage or a volume that both versions may use",
        )


def _file(case: Case) -> Iterator[Remark]:
    service = case.service
    if service.deploy_mode == "global":
        yield case.remark(
            "global",
            Severity.WARNING,
            "deploy.mode is global, which has no number of replicas",
            "use replicated",
            "deploy",
        )
    if service.devices:
        yield case.remark(
            "devices",
            Severity.WARNING,
            "it uses a device of the host, which two containers may not share",
            "see that it can be opened twice",
            "devices",
        )
    if service.image and not service.build and _floating(service.image):
        yield case.remark(
            "floating-tag",
            Severity.INFO,
            f"image {service.image!r} may be another one tomorrow",
            "name a version or a digest, so that going back finds what ran",
            "image",
        )
    if case.role != "one-shot" and service.restart in {None, "no"}:
        yield case.remark(
            "no-restart",
            Severity.INFO,
            "it is not started again after a crash or a reboot",
            "add 'restart: unless-stopped'",
        )
    callers = [name for name in case.file.dependents(service.name) if name != service.name]
    if callers and case.role == "web":
        yield case.remark(
            "called-by-name",
            Severity.INFO,
            f"{callers!r} may call it by name, past the router: Docker's DNS gives old and new containers from their start",
            "let callers use the router's address, or see that they try again",
        )
    if restarting := [
        n
        for n in callers
        for need in case.file.services[n].depends_on
        if need.service == service.name and need.restart
    ]:
        yield case.remark(
            "restarts-others",
            Severity.INFO,
            f"`docker compose up` restarts {restarting!r} when it updates this service",
            "leave updates to rollouts, which do not",
        )


def _floating(image: str) -> bool:
    name = image.rpartition("/")[2]
    return "@" not in image and (":" not in name or name.endswith(":latest"))


RULES: Final[tuple[_Rule, ...]] = (
    _container_name,
    _host_ports,
    _network,
    _volumes,
    _probe,
    _signals,
    _boot,
    _sessions,
    _file,
)
