from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairdeploy.backends.local import SupervisorKeeper, SystemdKeeper, open_keeper

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOUSE = ["unshare", "-fpmC", "--mount-proc", "--kill-child", str(HERE / "systemd_house.sh")]
CAN = os.geteuid() == 0 and shutil.which("unshare") and Path("/lib/systemd/systemd").exists()


@pytest.mark.timeout(800)
@pytest.mark.skipif(not CAN, reason="needs root, unshare and systemd's program to start a systemd of its own")
def test_the_keeper_does_its_work_in_a_systemd_of_its_own() -> None:
    """Every case of `systemd_cases.py` holds where systemd runs."""
    probe = subprocess.run(
        [*HOUSE, "systemctl", "--user", "is-active", "basic.target"],
        check=False,
        capture_output=True,
        timeout=180,
    )
    if probe.returncode != 0:
        pytest.skip(f"no systemd can be started in namespaces here: {probe.stderr.decode()[-200:]}")

    ran = subprocess.run(
        [
            *HOUSE,
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            str(HERE / "systemd_cases.py"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
    )

    assert ran.returncode == 0, ran.stdout[-5_000:]


def test_a_folder_keeps_the_keeper_that_it_had(folder: Path) -> None:
    """What one keeper has started another would start twice."""
    SystemdKeeper(folder / "one")
    SupervisorKeeper(folder / "two")

    assert isinstance(open_keeper(folder / "one"), SystemdKeeper)
    assert isinstance(open_keeper(folder / "two"), SupervisorKeeper)


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd runs here")
def test_without_systemd_it_is_supervisor(folder: Path) -> None:
    """A container seldom has systemd."""
    assert isinstance(open_keeper(folder / "new"), SupervisorKeeper)
