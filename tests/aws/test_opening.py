"""A service is opened again by its URI, as a guard does: with the journal that it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy import Canary, Deployer, Release, Target
from fairdeploy.backends.ecs import ECSBackend, Place
from fairdeploy.errors import InvalidInput
from fairdeploy.guard import open_backend
from fairdeploy.journal import MemoryJournal, SQLiteJournal
from fairdeploy.model import Shift, Split
from tests.aws.wire import wire
from tests.aws.worlds import REGION, balanced, worker

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.aws, pytest.mark.anyio]


async def test_whoever_has_the_uri_finds_the_journal(
    ecs_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This user's own, or one elsewhere, which the URI names."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    place = await worker(ecs_url)
    async with ECSBackend.open(place) as own, open_backend(own.uri, guard=None) as again:
        assert (again.uri, again.journal.key) == (own.uri, own.journal.key)
    async with SQLiteJournal.open(tmp_path / "a&b" / "records.sqlite") as records:
        async with ECSBackend.open(place, journal=records) as given:
            uri = given.uri
        async with open_backend(uri) as again:
            assert (again.uri, again.journal.key) == (uri, records.key)


async def test_a_password_in_the_address_is_refused() -> None:
    """The URI stands in the list of processes."""
    place = Place(REGION, cluster="c", service="s", journal="postgresql://me:s3cret@host/db")
    with pytest.raises(InvalidInput, match="a SecretRef") as refused:
        async with ECSBackend.open(place):
            pass
    assert "s3cret" not in str(refused.value)


async def test_what_is_adopted_behind_a_load_balancer_has_all_traffic(ecs_url: str, moto_url: str) -> None:
    """So the first plan is a canary like each one after it, and no first deploy that switches at once."""
    release = Release("2", command=["app", "--port", "{port}"])
    shop = Target("shop", replicas=2, endpoint="shop.example:443", plaintext=True)
    async with wire(ecs_url, balancers=moto_url) as between:
        world = await balanced(between.url, desired=2)
        async with ECSBackend.open(world.place, journal=MemoryJournal(), poll=0.0) as backend:
            revision = await backend.adopt(shop)
            assert await backend.adopt(shop) == revision
            plan = await Deployer(backend, validate=False).plan(shop, release, Canary(steps=(10, 100)))
    assert plan.bases[0].split == Split.all_to(revision)
    shifts = [each.split for each in plan.steps if isinstance(each, Shift) and each.split]
    assert [each.share(release.revision) for each in shifts] == [1_000, 10_000]
