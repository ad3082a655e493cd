"""What LocalBackend lets one look at on this machine, each looked at as it really is."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fairdeploy import TLS, BlueGreen, Deployer, DeploymentValidator
from fairdeploy.backends.local import LocalBackend
from fairdeploy.model import Aspect, SecretRef, Severity
from tests.validation.places import application, place, target, validated

pytestmark = [pytest.mark.anyio, pytest.mark.local]


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[LocalBackend]:
    """Give a backend without anything in it."""
    async with place(tmp_path) as found:
        yield found


async def test_files_that_others_can_read_or_nobody_are_found(backend: LocalBackend, tmp_path: Path) -> None:
    """A secret's file and the key of the endpoint's certificate, each with what to type; no value is shown."""
    open_one, closed, certificate = (tmp_path / name for name in ("open", "closed", "certificate.pem"))
    for path, mode in ((open_one, 0o644), (closed, 0o600), (certificate, 0o640)):
        path.write_text("9f2c4be1d07a4c3f8e65aa10b7d3c921")
        path.chmod(mode)
    secrets = {"OPEN": SecretRef.file(str(open_one)), "CLOSED": SecretRef.file(str(closed))}
    place_of = replace(target(), tls=TLS(certificate=str(certificate), key=str(certificate)))
    release = application("polite", env=secrets, workdir=str(tmp_path / "nowhere"))

    result = await DeploymentValidator(backend, place_of, release).validate_deployment(
        only={Aspect.PERMISSIONS}
    )

    found = {each.name: each for each in result.results}
    assert found["folder"].passed
    assert found["CLOSED"].passed
    assert (found["OPEN"].severity, found["OPEN"].remedy) == (Severity.WARNING, f"chmod 600 {open_one}")
    assert "can be read by everybody" in found["OPEN"].message
    assert "can be read by its group" in found["TLS key"].message
    assert found["workdir"].refuses
    assert "9f2c4be1d07a" not in str(result)

    closed.unlink()
    result = await DeploymentValidator(backend, place_of, release).validate_deployment(
        only={Aspect.PERMISSIONS}
    )
    assert [each.name for each in result.failures if each.refuses] == ["CLOSED", "workdir"]


async def test_a_port_that_another_program_has_is_critical(backend: LocalBackend) -> None:
    """It is found before anything is started, and the remedy is what the deployment itself would say."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        where = replace(target(), endpoint=endpoint)
        result = await DeploymentValidator(backend, where, application("polite")).validate_deployment(
            only={Aspect.DEPENDENCIES}
        )

    (bad,) = result.failures
    assert bad.refuses
    assert endpoint in bad.message
    assert "give another endpoint" in bad.remedy


async def test_memory_for_two_copies_is_judged_by_what_the_running_one_has(backend: LocalBackend) -> None:
    """Before the first there is nothing to go by; then what it really holds is counted for each of the target's."""
    where, release = target(), application("polite")
    before = await validated(backend, release, "rehearsal")
    assert {"disk", "processors"} <= {each.name for each in before.results}
    assert "memory" not in {each.name for each in before.results}

    await Deployer(backend, validate=False).deploy(where, release, BlueGreen(watch=0))
    after = await DeploymentValidator(
        backend, replace(where, replicas=3), release, without={"rehearsal"}
    ).validate_deployment(only={Aspect.CAPACITY})

    (memory,) = [each for each in after.results if each.name == "memory"]
    assert isinstance(memory.evidence, dict)
    assert memory.evidence["replicas"] == 3
    assert isinstance(memory.evidence["each"], int)
    assert 5_000_000 < memory.evidence["each"] < 500_000_000, "what a small Python server holds"
