"""A namespace is opened again by its URI, as a guard does: with the journal that it had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fairdeploy import Canary, Target
from fairdeploy.backends.kubernetes import KubernetesBackend, guard_manifest, required_permissions
from fairdeploy.errors import InvalidInput
from fairdeploy.guard import open_backend
from fairdeploy.journal import MemoryJournal, SQLiteJournal
from tests.cluster import Reached, namespace

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kubernetes, pytest.mark.anyio]


async def test_whoever_has_the_uri_finds_the_journal(api_server: Reached, tmp_path: Path) -> None:
    """The namespace's own ConfigMap, or one elsewhere, which the URI names."""
    config = str(api_server.kubeconfig)
    with namespace(api_server) as name:
        place = f"kubernetes:///{name}?gateway=web"
        async with KubernetesBackend.open(place, kubeconfig=config) as own, open_backend(own.uri) as again:
            assert (again.uri, again.journal.key) == (own.uri, own.journal.key)
        async with SQLiteJournal.open(tmp_path / "a&b" / "records.sqlite") as records:
            async with KubernetesBackend.open(place, kubeconfig=config, journal=records) as given:
                uri = given.uri
            async with open_backend(uri) as again:
                assert (again.uri, again.journal.key) == (uri, records.key)
            with pytest.raises(InvalidInput, match="another one is given"):
                async with KubernetesBackend.open(uri, journal=MemoryJournal()):
                    pass


async def test_nobody_here_keeps_a_guard(api_server: Reached) -> None:
    """Who asks for one is told what to run; who leaves it to the backend gets none."""
    place = f"kubernetes://?kubeconfig={api_server.kubeconfig}"
    async with open_backend(place, guard=None) as opened:
        assert opened.uri.startswith("kubernetes://")
    with pytest.raises(InvalidInput, match="guard_manifest"):
        async with open_backend(place, guard=True):
            pass


@pytest.mark.parametrize("schedule", [None, "* * * * *"])
async def test_a_guard_can_be_run_as_a_job(schedule: str | None, api_server: Reached) -> None:
    """The API server takes the manifest to the letter; what its pod runs opens the same namespace, as itself."""
    with namespace(api_server) as own:
        place = f"kubernetes:///{own}?gateway=web"
        async with KubernetesBackend.open(place, kubeconfig=str(api_server.kubeconfig)) as backend:
            needed = required_permissions(Canary(), Target("shop", replicas=2), gateway="web")
            manifest = guard_manifest(backend.uri, needed, image="shop/guard:1", schedule=schedule)
        api_server.kubectl("-n", own, "apply", "--validate=strict", "-f", "-", given=manifest)
        kind, path = ("cronjobs", "{.spec.jobTemplate.spec") if schedule else ("jobs", "{.spec")
        command = f"jsonpath={path}.template.spec.containers[0].command}}"
        ran = api_server.kubectl("-n", own, "get", kind, "fairdeploy-shop-production-guard", "-o", command)
        assert json.loads(ran) == [
            *("python", "-m", "fairdeploy.guard"),
            f"kubernetes://in-cluster/{own}?gateway=web",
        ]
        allowed = ("auth", "can-i", "patch", "configmaps/fairdeploy-journal")
        account = f"--as=system:serviceaccount:{own}:fairdeploy-shop-production-guard"
        assert api_server.kubectl("-n", own, *allowed, account).strip() == "yes"
        with pytest.raises(InvalidInput, match="names no namespace"):
            guard_manifest("kubernetes://", needed, image="shop/guard:1")
