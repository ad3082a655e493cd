"""A tag is made a digest once, before a plan holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from fairdeploy import Deployer, Release, Rolling, SecretRef, Target
from fairdeploy.errors import ImageError, InvalidInput, Refused
from fairdeploy.images import ImageReference, Registry, digest_of, pinned
from fairdeploy.strategies import Pinned
from fairdeploy.testing.simulation import SimulatedBackend
from tests.identity.registry import Shelves, digest, index, serving
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

NAMES = st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}", fullmatch=True)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)
DIGESTS = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@pytest.fixture
def shelves() -> Iterator[Shelves]:
    """Give a registry with one image."""
    with serving(Shelves()) as registry:
        registry.manifests["shop/web", "1.4"] = index("1.4")
        yield registry


@settings(max_examples=30)
@given(NAMES, TAGS, DIGESTS, st.sampled_from(["registry.example.org", "localhost:5000", "127.0.0.1:80"]))
def test_a_name_is_read_as_it_is_written(name: str, tag: str, digest: str, host: str) -> None:
    """What is written of the parts of a name is read as the same parts."""
    for parts in ({"tag": tag}, {"digest": digest}, {"tag": tag, "digest": digest}):
        reference = ImageReference(host, repository=name, **parts)
        assert ImageReference.of(str(reference)) == reference


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("shop/web:1", "docker.io/shop/web:1"),
        ("localhost/web", "localhost/web:latest"),
    ],
)
def test_a_short_name_is_what_docker_takes_it_for(short: str, long: str) -> None:
    """Without a host it is Docker Hub's, without a tag the latest."""
    assert str(ImageReference.of(short)) == long


@pytest.mark.parametrize("name", ["", "UPPER/case:1", "a b", "web:", "web@sha256:12", "web@md5:12"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """A name that no registry could have is bad input."""
    if name == "web:":
        assert ImageReference.of(name).tag == "latest"
        return
    with pytest.raises(InvalidInput, match="is no name of an image"):
        ImageReference.of(name)


async def test_a_plan_holds_the_digest_that_the_tag_had(shelves: Shelves) -> None:
    """Moving the tag afterwards changes nothing: plan and journal name the bytes that were meant."""
    release = await pinned(Release("1.4", image=f"{shelves.host}/shop/web:1.4"))
    wanted = f"{shelves.host}/shop/web:1.4@{digest(index('1.4'))}"
    assert release.image == wanted
    shelves.manifests["shop/web", "1.4"] = index("another")

    backend = SimulatedBackend()
    target = Target("shop", replicas=1, endpoint="127.0.0.1:8080")
    plan = await Deployer(backend).plan(target, release, Pinned(Rolling()))
    assert plan.releases[release.revision].image == wanted
    assert await pinned(release) is release


async def test_a_registry_that_asks_who_is_there_is_told(shelves: Shelves) -> None:
    """User and password go to the token service that it names; wrong ones are refused, and never shown."""
    shelves.login = ("ada", "a-password-of-hers")
    image = f"{shelves.host}/shop/web:1.4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_PASSWORD", "a-password-of-hers")
        ada = Registry(user="ada", password=SecretRef.env("REGISTRY_PASSWORD"))
        assert await digest_of(image, registry=ada) == digest(index("1.4"))
        eve = Registry(user="eve", password=SecretRef.env("REGISTRY_PASSWORD"))
        with pytest.raises(ImageError, match="mend user and password") as caught:
            await digest_of(image, registry=eve)
    assert "a-password-of-hers" not in repr(caught.value)
    with pytest.raises(ImageError, match="gave no token"):
        await digest_of(image)


async def test_what_cannot_be_told_is_refused(shelves: Shelves) -> None:
    """Neither a missing image, nor a registry that is not there, nor one that lies gives a digest."""
    with pytest.raises(ImageError, match="has no image"):
        await digest_of(f"{shelves.host}/shop/web:2")
    with pytest.raises(ImageError, match="cannot be asked"):
        await digest_of(f"127.0.0.1:{free_port()}/shop/web:1")
    shelves.lying = True
    with pytest.raises(ImageError, match="do not trust"):
        await digest_of(f"{shelves.host}/shop/web@sha256:{'0' * 64}")


async def test_a_tag_is_refused_where_only_digests_are_taken() -> None:
    """In production nothing is planned for a tag; elsewhere, and for a digest, the inner strategy plans."""
    deployer = Deployer(SimulatedBackend())
    tagged, held = Release("1", image="shop/web:1"), Release("1", image=f"shop/web@sha256:{'0' * 64}")
    production, staging = (Target("shop", environment=each, replicas=1) for each in ("production", "staging"))

    with pytest.raises(Refused, match=r"takes digests only.*pinned"):
        await deployer.plan(production, tagged, Pinned(Rolling()))
    with pytest.raises(Refused):
        await deployer.plan(staging, tagged, Pinned(Rolling(), environments=None))
    assert (await deployer.plan(staging, tagged, Pinned(Rolling()))).changes
    assert (await deployer.plan(production, held, Pinned(Rolling()))).changes
