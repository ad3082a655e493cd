"""What would not work, found before anything is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fairdeploy.backends.compose._container import COMPOSE
from fairdeploy.backends.compose._containing import ContainerKeeper
from fairdeploy.backends.compose._moving import MovingRouter
from fairdeploy.backends.compose._override import override, probes
from fairdeploy.backends.compose._starting import image_of, port_of
from fairdeploy.compose import Rolling, check_compose
from fairdeploy.compose.roles import data
from fairdeploy.errors import InvalidInput, Refused, StartError
from fairdeploy.model import Severity

if TYPE_CHECKING:
    from fairdeploy.backends.compose._container import Container
    from fairdeploy.backends.compose._engine import Engine
    from fairdeploy.backends.compose._project import Project
    from fairdeploy.backends.compose._site import Site
    from fairdeploy.compose import ComposeFile, Service
    from fairdeploy.model import Release, Target
    from fairdeploy.protocols import TrafficRouter

__all__ = ["check"]

_OURS = frozenset({"container-name"})
"""Rules of `check_compose` that new containers keep by themselves: the name is left out of them."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


async def check(site: Site, router: TrafficRouter | None, target: Target, release: Release) -> None:
    """Refuse a release that could not be started, or would not get any traffic.

    Raises:
        StartError: If its image is missing or of another architecture, a placeholder has no meaning, or a service
            that it depends on is not as it must be.
        InvalidInput: If the service cannot be deployed beside itself, or nothing says where it listens.
        Refused: If another program has the endpoint, or Docker has it for this service.
        BackendError: If the engine cannot be asked.
    """
    engine, project, name = site.engine, site.project, site.place(target).service
    file = await project.read()
    service = file.service(name)
    _refuse_unrollable(project, file, service)
    if project.persist and release.secrets:
        raise InvalidInput(
            f"release {release.version!r} has the secrets {sorted(release.secrets)!r}, and persist=True would write "
            "them beside the file: put them into the file as 'secrets', or leave out persist"
        )
    machine = await engine.check()
    image = await image_of(engine, release, service, pull=True)
    if image.architecture and _known(image.architecture) != _known(machine):
        raise StartError(
            f"image {release.image or service.image!r} is for {image.architecture!r} and this Docker Engine runs "
            f"{machine!r}: build it for that"
        )
    port = port_of(project, service, image)
    if target.endpoint is not None and (port is None or service.network_mode == "none"):
        raise InvalidInput(
            f"nothing says where service {name!r} listens, or several places: give ComposeBackend.open(port=...)"
        )
    override(release, service=name, image=image.id, port=port, config="", labels={})
    probes(release, port)
    for need in service.depends_on:
        if need.required:
            await _depend(engine, project, name, need.service, need.condition)
    if router is not None and target.endpoint is not None:
        await _check_endpoint(site, router, target, name)


def _refuse_unrollable(project: Project, file: ComposeFile, service: Service) -> None:
    """Refuse a service of which old and new cannot stand side by side, as `check_compose` judges it.

    Raises:
        InvalidInput: With the reason, the line and the remedy.
    """
    kept = [mount.target for mount in data(service) if mount.source]
    alone = sorted(set(kept) - set(project.shared))
    stateful = () if alone or not kept else (service.name,)
    report = check_compose(file, stateful=stateful).service(service.name)
    if report.rolling is Rolling.JOB:
        raise InvalidInput(
            f"service {service.name!r} runs once and ends: run it as a job of the release, not as a revision"
        )
    against = [
        each for each in report.remarks if each.severity is Severity.CRITICAL and each.rule not in _OURS
    ]
    if alone:
        raise InvalidInput(
            f"service {service.name!r} keeps data in {alone!r}, to which old and new copies would both write: mount it "
            f"read-only, or say that this does no harm by ComposeBackend.open(shared={alone!r})"
        )
    if against:
        raise InvalidInput(f"service {service.name!r} cannot be rolled: {against[0]}")
    if report.rolling is Rolling.STATEFUL:
        raise InvalidInput(
            f"service {service.name!r} is a store, and keeps its data to itself: a new copy would begin without them; "
            "keep it out of rollouts"
        )


async def _check_endpoint(site: Site, router: TrafficRouter, target: Target, name: str) -> None:
    """Refuse an endpoint that cannot be opened; what the service itself publishes, only a router that moves ports can open.

    Raises:
        InvalidInput: If its address or certificate cannot be used.
        MissingDependency: If Envoy is to run in an image that does not have it.
        Refused: If it is taken.
    """
    if not isinstance(router, MovingRouter) and await site.publishes(target):
        raise Refused(
            f"endpoint {target.endpoint!r} of {target.id!r} is published by service {name!r} itself, and Docker keeps it: "
            "move it to the router by ComposeBackend.open(move_ports=True), or give another endpoint"
        )
    if site.project.envoy_image:
        await ContainerKeeper(site.home / "router", site.project.envoy_image).find()
        _refuse_unseen(site, target)
    await router.check(target)


def _refuse_unseen(site: Site, target: Target) -> None:
    """Refuse a certificate that Envoy in a container could not read.

    Raises:
        InvalidInput: If it is not there.
    """
    seen, tls = site.home / "router", target.tls
    if tls is not None:
        files = [str(Path(each).absolute()) for each in (tls.certificate, tls.key)]
        if not all(Path(each).is_relative_to(seen) for each in files):
            raise InvalidInput(
                f"Envoy in a container sees nothing of this machine's disk but {str(seen)!r}: put certificate and key there, "
                f"not at {files!r}"
            )


def _known(architecture: str) -> str:
    return _ARCHITECTURES.get(architecture, architecture)


async def _depend(engine: Engine, project: Project, name: str, other: str, condition: str) -> None:
    """Prove that a service is as another needs it.

    Raises:
        StartError: If it is not.
    """
    found = await engine.containers({f"{COMPOSE}project": project.name, f"{COMPOSE}service": other})
    if not any(_fits(each, condition) for each in found):
        now = ", ".join(f"{each.state} {each.health}".strip() for each in found) or "not there"
        raise StartError(
            f"service {name!r} needs {other!r} to be {condition!r}, and it is {now}: 'docker compose up -d {other}' first"
        )


def _fits(each: Container, condition: str) -> bool:
    match condition:
        case "service_healthy":
            return each.state == "running" and each.health == "healthy"
        case "service_completed_successfully":
            return each.state == "exited" and each.exit_code == 0
        case _:
            return each.state == "running"
