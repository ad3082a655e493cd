"""The page about images runs, with a registry on the loopback address and a bundle by somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairdeploy import Deployer, Target
from fairdeploy.testing.simulation import SimulatedBackend
from tests.docs.test_guide import run
from tests.identity.registry import Shelves, index, serving


@pytest.mark.anyio
async def test_the_page_runs() -> None:
    """A tag is pinned and planned for; a bundle by another signer is refused."""
    bundles = Path(__file__).parents[1] / "identity" / "bundles"
    with serving(Shelves()) as registry:
        registry.manifests["shop/web", "1.4"] = index("1.4")
        names = {
            "registry": registry.host,
            "deployer": Deployer(SimulatedBackend()),
            "target": Target("shop", replicas=1, endpoint="127.0.0.1:8080"),
            "bundle": (bundles / "message.sigstore.json").read_text(encoding="utf-8"),
        }
        await run("docs/images.md", names)
