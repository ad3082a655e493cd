"""What happens to a cluster in the middle of a rollout: the API server is restarted, a second operator comes."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest

from fairdeploy import Deployer, LeaseHeld, Outcome, Rolling, RolloutResult
from tests.cluster import Reached
from tests.kubernetes.stage import STRATEGIES, application, opened, target
from tests.kubernetes.test_strategies import own, under_load

__all__ = ["own"]  # a fixture

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.kubernetes,
    pytest.mark.whole_cluster,
    pytest.mark.nightly,
    pytest.mark.timeout(300),
]


async def test_the_api_server_is_restarted_and_another_operator_comes(
    whole_cluster: Reached, gateway: str, own: str
) -> None:
    """The canary goes on where it was, whoever else deploys meanwhile is refused, and no request is lost."""
    if whole_cluster.cluster is None:
        pytest.skip("another cluster is not ours to disturb")
    config, where, results = str(whole_cluster.kubeconfig), target(gateway), list[RolloutResult]()
    async with opened(own, config) as backend, opened(own, config) as others:
        deployer = Deployer(backend, validate=False, lease=60)
        await deployer.deploy(where, application("v0"), STRATEGIES["canary"])
        plan = await deployer.plan(where, application("v1"), STRATEGIES["canary"])

        async def deploy() -> None:
            async with deployer.run(plan) as rollout:
                results.append(await rollout.result())

        async with under_load(gateway) as load, anyio.create_task_group() as tasks:
            tasks.start_soon(deploy)
            await anyio.sleep(3)
            with pytest.raises(LeaseHeld):
                await Deployer(others, validate=False).deploy(where, application("v2"), Rolling(analysis=()))
            await anyio.to_thread.run_sync(whole_cluster.cluster.stop_server)
            await anyio.to_thread.run_sync(whole_cluster.cluster.start_server)
        report = load.report()
    assert [each.outcome for each in results] == [Outcome.PROMOTED], results
    assert report.lost == 0, "\n".join(str(each) for each in report.lost_requests[:10])
