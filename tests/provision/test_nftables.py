"""A port is opened in the nftables of a network of the test's own, and only by consent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__)
RULES = """
table inet guard {
    chain incoming {
        type filter hook input priority 0; policy drop;
        iif lo accept
        tcp dport { 22, 8000-8010 } accept
        ip saddr 10.0.0.1 tcp dport 443 accept
    }
    chain outgoing { type filter hook output priority 0; policy accept; }
}
table ip other {
    chain last {
        type filter hook input priority 10; policy accept;
        tcp dport { 443, 8005 } accept
        drop
    }
}
"""
PROGRAM = """
import anyio, json, subprocess, sys
from fairdeploy.provision.on_premise import Server
from fairdeploy.provision.on_premise.firewall import firewall_steps

async def main():
    said = []
    for port in (8005, 443):
        (step,) = firewall_steps(Server((sys.argv[1],), folder=sys.argv[2], ports=(port,)))
        before = await step.look()
        if not before.done:
            await step.act()
        after = await step.look()
        said.append([before.done, after.done, after.remedy])
    print(json.dumps(said))

anyio.run(main)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("nft") is None,
    reason="needs root on Linux, and nft",
)
def test_a_port_is_opened_where_it_was_closed(tmp_path: Path) -> None:
    """Every chain that would drop it gets a rule, once; what was open stays as it was; how to keep it is said."""
    rules = tmp_path / "rules"
    rules.write_text(RULES)
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    steps = [
        ["nft", "-f", str(rules)],
        [sys.executable, str(script), str(HERE), str(tmp_path)],
        ["nft", "list", "ruleset"],
    ]
    ran = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", INSIDE, json.dumps(steps)],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    if "Operation not permitted" in ran.stderr:
        pytest.skip("this machine gives no networks of one's own")
    assert ran.returncode == 0, ran.stderr
    said, _, after = ran.stdout.partition("\n")
    first, second = json.loads(said)
    assert first[:2] == [True, True]
    assert second[:2] == [False, True]
    assert "/etc/nftables.conf" in second[2]
    assert after.count("tcp dport 443 accept") == 2  # one by consent, one for an address alone


INSIDE = """
import json, subprocess, sys
for argv in json.loads(sys.argv[1]):
    subprocess.run(argv, check=True)
"""
