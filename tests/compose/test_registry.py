"""A web application with PostgreSQL, migrations, a one-shot and a worker, on a real engine, under load all the way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import Canary, Deployer, Outcome, Rolling
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.local import open_keeper
from fairdeploy.rollback import RollbackManager
from fairdeploy.strategies import Migrated, Recreate, sequence
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection, post
from tests.compose.registry import JUDGED, QUICK, Registry, registry_image, service, work
from tests.compose.stage import project
from tests.docker import docker
from tests.killing import killed_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fairdeploy.model import Release, RolloutResult, Target
    from fairdeploy.protocols import Strategy

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.docker,
    pytest.mark.load,
    pytest.mark.nightly,
    pytest.mark.timeout(1_200),
]

LATE = 60.0
"""Seconds after which an answer counts as lost: a busy machine is slow, above all where a schema is taken back."""
MIX = (
    keep_alive(weight=70, timeout=LATE),
    new_connection(weight=10, timeout=LATE),
    post("/notes", weight=20, size=64, timeout=LATE),
)


@pytest.fixture
def registry(postgres_container_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Bring it up as a person does, with `docker compose up`."""
    image = registry_image(tmp_path_factory.mktemp("image"))
    with project("") as made:
        found = Registry.of(made, image, postgres_container_image)
        made.compose("up", "--detach", "--quiet-pull")
        yield found


class Way:
    """A deployer and what it deploys."""

    def __init__(self, registry: Registry, backend: ComposeBackend) -> None:
        self.registry = registry
        self.backend = backend
        databases = {"records": registry.database}
        self.deployer = Deployer(backend, databases=databases, lease=2, validate=False)

    async def deploy(self, *what: tuple[Target, Release, Strategy]) -> RolloutResult:
        """Deploy releases together."""
        plans = [await self.deployer.plan(*each) for each in what]
        async with self.deployer.run(sequence(*plans) if len(plans) > 1 else plans[0]) as rollout:
            return await rollout.result()

    async def app(self, release: Release, how: Strategy) -> Outcome:
        """Deploy the web service alone."""
        return (await self.deploy((self.registry.app, release, how))).outcome

    async def dies(self) -> None:
        """Let a deploying program be killed while its canary has visitors, and let another one recover."""
        words = ("-m", "tests.compose.registry", self.backend.uri, self.registry.endpoint)
        await killed_at("bake-25 intended", *words)
        with anyio.fail_after(90):
            while await self.backend.journal.rollouts(unfinished=True):
                await self.deployer.recover()
                await anyio.sleep(0.2)


def began(shown: dict[str, object]) -> object:
    """Return when a container's process was started last."""
    state = shown["State"]
    assert isinstance(state, dict)
    return state["StartedAt"]


async def test_nothing_is_lost_on_the_way_of_a_whole_application(
    registry: Registry, record_property: Callable[[str, object], None]
) -> None:
    """All strategies, a group, a bad release, a rollback with its database, a killed deployer: 0 lost, every note is there."""
    made = registry.project
    kept = {
        name: made.shown(made.containers(f"label=com.docker.compose.service={name}")[0])
        for name in ("db", "migrate")
    }
    volume = docker("volume", "inspect", f"{made.folder.name}_data")
    services = ["app", "worker"]
    async with ComposeBackend.open(
        made.file, services, home=made.home, guard=False, shared=["/traces"]
    ) as backend:
        way = Way(registry, backend)
        try:
            both = ((registry.app, service("v1"), QUICK), (registry.worker, work("w1"), QUICK))
            assert (await way.deploy(*both)).promoted  # a group, in the place of what was found
            url = f"http://{registry.endpoint}"
            async with load_process(url, mix=MIX, rate=30, settings=LoadSettings(stop_within=LATE)) as load:
                assert await way.app(service("v2", "--site"), replace(JUDGED, watch=1)) is Outcome.PROMOTED
                steps = Canary(steps=[25, 100], bake=0.5, keep_warm=0, analysis=())
                assert await way.app(service("v3"), steps) is Outcome.PROMOTED
                assert await way.app(service("v4"), Rolling(max_surge=1, analysis=())) is Outcome.PROMOTED
                for version, how in (
                    ("w2", Rolling(max_surge=1, analysis=())),
                    ("w3", Recreate(analysis=())),
                ):
                    assert (await way.deploy((registry.worker, work(version), how))).promoted
                assert await way.app(service("v5", "--broken"), JUDGED) is Outcome.ROLLED_BACK

                further = Migrated(
                    replace(JUDGED, watch=0.5), database="records", to="0003_readers", change="reversible"
                )
                migrated = await way.deploy((registry.app, service("v6"), further))
                assert migrated.promoted
                back = await RollbackManager(way.deployer).automated_rollback(
                    migrated.rollout, reason="the registry cannot be read", database="back", hold=False
                )
                assert back.outcome == "rolled_back", str(back)
                await way.dies()
            report = load.report()
            seen = [await backend.observe(target) for target in (registry.app, registry.worker)]
            state = await registry.database.observe()
        finally:
            with anyio.CancelScope(shield=True):
                await open_keeper(made.home / "keeper").shutdown()

    assert report.lost == 0, str(report)
    assert await registry.count("notes") >= report.kinds["post"].ok > 0
    assert (state.version, state.frozen) == ("0002", False)
    assert [[each.id for each in one.revisions] for one in seen] == [
        [service("v4").revision],
        [work("w3").revision],
    ]
    assert len(made.containers()) == len(kept) + 3  # two of the service, one worker: no orphan
    for before in kept.values():
        after = made.shown(str(before["Id"]))
        assert began(after) == began(before), "neither the database nor what ran once is started again"
    assert docker("volume", "inspect", f"{made.folder.name}_data") == volume
    first, second, third = (registry.worked(version) for version in ("w1", "w2", "w3"))
    assert second["began"] < first["finished"], "rolled: the new one works beside the old one"
    assert second["finished"] < third["began"], "recreated: never both"
    record_property("proof", f"a whole application on Compose: {report.requests} requests, 0 lost")
